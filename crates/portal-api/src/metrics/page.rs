//! Writing figures that were counted elsewhere.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tenant_cache::{DURATION_BOUNDS, MethodReport};

/// Labels of one sample.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The page under way.
#[derive(Debug)]
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    /// Counters of one name, which gets `_total` at its end.
    pub(super) fn counters<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    /// Gauges of one name.
    pub(super) fn gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    /// One gauge a state: 1 for the one that is, 0 for the others.
    pub(super) fn states(
        &mut self,
        name: &str,
        help: &str,
        (subject, states): (&'static str, &[&str]),
        now: &[(&str, &str)],
    ) -> fmt::Result {
        let samples = now.iter().flat_map(|(what, is)| {
            states.iter().map(move |state| {
                let labels = vec![(subject, *what), ("state", *state)];
                (labels, if state == is { 1.0 } else { 0.0 })
            })
        });
        self.gauges(name, help, samples)
    }

    /// Durations of calls by method, those left out that never left.
    pub(super) fn durations(
        &mut self,
        name: &str,
        help: &str,
        methods: &[MethodReport],
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for method in methods {
            let count = method.calls.saturating_sub(method.unavailable);
            let mut below = 0;
            let mut buckets: Vec<(f64, u64)> = DURATION_BOUNDS
                .iter()
                .zip(method.below)
                .map(|(bound, so_far)| {
                    let within = so_far.saturating_sub(below);
                    below = so_far;
                    (bound.as_secs_f64(), within)
                })
                .collect();
            buckets.push((f64::INFINITY, count.saturating_sub(below)));
            let labels = [("method", method.method)];
            let sum = method.duration.as_secs_f64();
            metric
                .encode_family(&labels)?
                .encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}
