//! Which tests the command line asks for, and what they need.

/// The package whose tests run the built programs.
pub(super) const BLACK_BOX: &str = "portal-tests";

/// The package with the adapters for each kind of Redis, which are tested on it.
pub(super) const PROVIDERS: &str = "redis-provider";

/// The package of the cache, which is tested on each kind of Redis as well.
pub(super) const CACHE: &str = "tenant-cache";

/// What the developer wants to run.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    pub(super) arguments: &'a [String],
}

impl<'a> Selection<'a> {
    pub(super) fn of(arguments: &'a [String]) -> Self {
        Self { arguments }
    }

    pub(super) fn is_everything(&self) -> bool {
        self.arguments.is_empty()
    }

    fn packages(&self) -> impl Iterator<Item = &str> {
        let next = self.arguments.iter().skip(1).map(String::as_str).chain([""]);
        self.arguments.iter().zip(next).filter_map(|(argument, next)| {
            match argument.split_once('=').unwrap_or((argument, next)) {
                ("-p" | "--package", package) => Some(package),
                (short, _) => short.strip_prefix("-p").filter(|name| !name.is_empty()),
            }
        })
    }

    pub(super) fn names_packages(&self) -> bool {
        self.packages().next().is_some()
    }

    /// Whether the built `portal` and `dev-auth0` are run; the tests of one crate do without.
    pub(super) fn needs_programs(&self) -> bool {
        !self.names_packages() || self.packages().any(|package| package == BLACK_BOX)
    }

    /// Whether dev-upstash and the Redis Cluster are used.
    pub(super) fn needs_every_redis(&self) -> bool {
        let is_on_every_redis = |package| [PROVIDERS, CACHE].contains(&package);
        self.needs_programs() || self.packages().any(is_on_every_redis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(line: &str) -> (bool, bool, bool) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let selection = Selection::of(&words);
        (selection.is_everything(), selection.names_packages(), selection.needs_programs())
    }

    #[test]
    fn everything_is_run_without_arguments() {
        assert_eq!(selects(""), (true, false, true));
    }

    #[test]
    fn a_crate_of_its_own_needs_no_programs() {
        for line in ["-p tenancy", "-ptenancy", "--package=tenancy", "key -p tenancy"] {
            assert_eq!(selects(line), (false, true, false), "{line}");
        }
        assert_eq!(selects("-p tenancy -p portal-tests"), (false, true, true));
    }

    #[test]
    fn only_some_crates_need_every_redis() {
        let needs = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Selection::of(&words).needs_every_redis()
        };
        assert!(needs("") && needs("sign_in") && needs("-p redis-provider"));
        assert!(needs("-p portal-tests") && needs("-p tenant-cache") && !needs("-p tenancy"));
    }

    #[test]
    fn a_name_alone_is_looked_for_everywhere() {
        assert_eq!(selects("sign_in"), (false, false, true));
    }
}
