//! Closed vocabularies, each with the text that rows, JSON and filters share.

macro_rules! vocabulary {
    // Whoever uses it has serde's derives, `ToSchema` and `UnknownWord` in scope.
    //
    // `tt` and not `literal`: derive macros get the latter in an invisible group, which utoipa
    // does not look into, and would document the variants' names as the words.
    ($(#[$doc:meta])* $name:ident ($called:literal) {
        $($(#[$variant_doc:meta])* $variant:ident = $word:tt,)+
    }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
        )]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every member.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// Every member's word, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The stable word in rows, JSON and filters.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { vocabulary: $called, words: Self::WORDS }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use vocabulary;
