//! Figures of each method of the port.

use super::figures::Figures;

#[derive(Debug)]
pub(super) struct Methods {
    pub(super) get: Figures,
    pub(super) get_many: Figures,
    pub(super) set: Figures,
    pub(super) delete_many: Figures,
    pub(super) expire: Figures,
    pub(super) increment: Figures,
    pub(super) scan: Figures,
    pub(super) evaluate: Figures,
    pub(super) publish: Figures,
    pub(super) subscribe: Figures,
    pub(super) ping: Figures,
    pub(super) info: Figures,
    pub(super) pipeline: Figures,
}

impl Methods {
    pub(super) fn new() -> Self {
        Self {
            get: Figures::new("get"),
            get_many: Figures::new("get_many"),
            set: Figures::new("set"),
            delete_many: Figures::new("delete_many"),
            expire: Figures::new("expire"),
            increment: Figures::new("increment"),
            scan: Figures::new("scan"),
            evaluate: Figures::new("evaluate"),
            publish: Figures::new("publish"),
            subscribe: Figures::new("subscribe"),
            ping: Figures::new("ping"),
            info: Figures::new("info"),
            pipeline: Figures::new("pipeline"),
        }
    }

    pub(super) const fn all(&self) -> [&Figures; 13] {
        [
            &self.get,
            &self.get_many,
            &self.set,
            &self.delete_many,
            &self.expire,
            &self.increment,
            &self.scan,
            &self.evaluate,
            &self.publish,
            &self.subscribe,
            &self.ping,
            &self.info,
            &self.pipeline,
        ]
    }
}
