//! Descriptions are written as plain text and shown as HTML.

/// The HTML of a description: every character of the text escaped, an empty line between
/// paragraphs, lines behind `- ` or `* ` as a list. No tag comes from the text, so the result may
/// be put into a page as it is.
pub fn description_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    let mut open = Block::None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(item) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
            open = open.switch_to(Block::List, &mut html);
            html.push_str("<li>");
            push_escaped(item.trim(), &mut html);
            html.push_str("</li>");
        } else if line.is_empty() {
            open = open.switch_to(Block::None, &mut html);
        } else {
            if open == Block::Paragraph {
                html.push_str("<br>");
            }
            open = open.switch_to(Block::Paragraph, &mut html);
            push_escaped(line, &mut html);
        }
    }
    open.switch_to(Block::None, &mut html);
    html
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    Paragraph,
    List,
}

impl Block {
    fn switch_to(self, next: Self, html: &mut String) -> Self {
        if self != next {
            html.push_str(match self {
                Self::None => "",
                Self::Paragraph => "</p>",
                Self::List => "</ul>",
            });
            html.push_str(match next {
                Self::None => "",
                Self::Paragraph => "<p>",
                Self::List => "<ul>",
            });
        }
        next
    }
}

fn push_escaped(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paragraphs_and_lists_come_from_the_lines() {
        assert_eq!(
            description_html("One\ntwo\n\n\nThree & four\n- a\n* b\nafter"),
            "<p>One<br>two</p><p>Three &amp; four</p><ul><li>a</li><li>b</li></ul><p>after</p>"
        );
        assert_eq!(description_html(" \n"), "");
    }

    proptest! {
        #[test]
        fn no_tag_but_ours_and_all_of_them_closed(text in "[<>&\"'a/ *\n-]{0,80}|\\PC{0,80}") {
            let mut rest = description_html(&text);
            for tag in ["<p>", "</p>", "<br>", "<ul>", "</ul>", "<li>", "</li>"] {
                rest = rest.replace(tag, "");
            }
            prop_assert!(!rest.contains(['<', '>', '"', '\'']));
            let html = description_html(&text);
            for name in ["p", "ul", "li"] {
                let count = |tag: String| html.matches(&tag).count();
                prop_assert_eq!(count(format!("<{name}>")), count(format!("</{name}>")));
            }
        }
    }
}
