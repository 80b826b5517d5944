use super::*;
use crate::tui::glyph::{ASCII, UNICODE};
use crate::tui::text::{Role, Span, clean, width};
use proptest::prelude::*;
use ratatui::style::Modifier;

fn shown(text: &str, cells: usize) -> Vec<String> {
    render(text, cells, &UNICODE).iter().map(|row| row.text().trim_end().to_owned()).collect()
}

fn spans(text: &str) -> Vec<Span> {
    render(text, 80, &UNICODE).into_iter().flat_map(|row| row.spans).collect()
}

#[test]
fn headings_keep_their_marks_and_what_follows_stands_close() {
    assert_eq!(shown("# One\n\ntext\n\nTwo\n---\nmore", 40), ["# One", "text", "", "## Two", "more"]);
    assert_eq!(spans("## Two"), [Span::new("## Two", Role::Heading)]);
}

#[test]
fn inline_marks_become_roles_and_add_up() {
    assert_eq!(
        spans("a *b **c*** ~~d~~ `e`"),
        [
            Span::new("a ", Role::Text),
            Span::new("b ", Role::Emphasis).with(Modifier::ITALIC),
            Span::new("c", Role::Strong).with(Modifier::ITALIC | Modifier::BOLD),
            Span::new(" ", Role::Text),
            Span::new("d", Role::Struck).with(Modifier::CROSSED_OUT),
            Span::new(" ", Role::Text),
            Span::new("e", Role::Code),
        ]
    );
}

#[test]
fn a_line_break_that_was_written_is_shown() {
    assert_eq!(shown("09:41 you\n09:42 critic", 40), ["09:41 you", "09:42 critic"]);
}

#[test]
fn lists_nest_under_their_text() {
    let text = "Plan:\n\n- one is longer than the row\n  - deep\n- [x] done\n- [ ] open\n\n9. nine\n10. ten";
    assert_eq!(
        shown(text, 20),
        [
            "Plan:",
            "",
            "• one is longer than",
            "  the row",
            "  • deep",
            "• [x] done",
            "• [ ] open",
            "",
            "9. nine",
            "10. ten",
        ]
    );
    assert_eq!(shown("-\n- x", 20), ["•", "• x"]);
}

#[test]
fn quotes_have_a_bar_on_every_row() {
    assert_eq!(shown("> one two three\n>\n> - four", 10), ["│ one two", "│ three", "│", "│ • four"]);
    let ascii = render("> x", 10, &ASCII);
    assert_eq!(ascii[0].text(), "| x");
}

#[test]
fn code_is_verbatim_and_only_cut_where_the_row_ends() {
    let text = "```rust title\nfn main() {\n    let x = \"*not*  emphasis\";\n\n}\n```";
    assert_eq!(
        shown(text, 22),
        ["  rust title", "  fn main() {", "      let x = \"*not*", "↳ emphasis\";", "", "  }",]
    );
    let code = render(text, 60, &UNICODE);
    assert_eq!(code[2].spans, [Span::new("  ", Role::Text), Span::new("    let x = \"*not*  emphasis\";", Role::Code)]);
}

#[test]
fn a_row_knows_its_fence_and_the_fence_can_be_copied() {
    let text = "a\n\n```make\nall:\n\techo \u{1b}[2J\n```\n\n    indented\n\n- b\n  ~~~\n  two\n  ~~~\n";
    let copied = fences(text);
    assert_eq!(copied, ["all:\n\techo ^[[2J", "two"]);
    let rows = render(text, 40, &UNICODE);
    let of = |index| -> Vec<String> {
        rows.iter().filter(|row| row.fence == Some(index)).map(|row| row.text().trim().to_owned()).collect()
    };
    assert_eq!(of(0), ["make", "all:", "echo ^[[2J"]);
    assert_eq!(of(1), ["two"]);
    assert!(rows.iter().any(|row| row.fence.is_none() && row.text().contains("indented")));
}

#[test]
fn a_link_shows_where_it_leads() {
    assert_eq!(
        spans("[bank](https://x.test)"),
        [Span::new("bank", Role::Link), Span::new(" (https://x.test)", Role::Dim)]
    );
    assert_eq!(shown("<https://x.test> ![map](m.png)", 60), ["https://x.test image: map (m.png)"]);
}

#[test]
fn html_is_text() {
    assert_eq!(shown("<story>\nx\n</story>\n\na <b>c</b>", 40), ["<story>", "x", "</story>", "", "a <b>c</b>"]);
}

#[test]
fn a_table_that_fits_is_a_grid() {
    assert_eq!(
        shown("| who | n |\n|:---|---:|\n| 新聞 | 1 |\n| **b** | 22 |", 40),
        ["who  │  n", "─────┼───", "新聞 │  1", "b    │ 22",]
    );
}

#[test]
fn a_table_that_does_not_fit_becomes_a_list() {
    let text = "| agent | found |\n|---|---|\n| reporter | the launch is on 3 May |\n| critic | a contradiction |";
    assert_eq!(
        shown(text, 20),
        ["• reporter", "  found: the launch", "    is on 3 May", "• critic", "  found: a", "    contradiction",]
    );
}

#[test]
fn a_table_that_is_a_little_too_wide_wraps_its_cells() {
    let text = "| agent | found |\n|---|---|\n| reporter | the launch is on 3 May |\n| critic | nothing |";
    assert_eq!(
        shown(text, 28),
        [
            "agent    │ found",
            "─────────┼──────────────────",
            "reporter │ the launch is on",
            "         │ 3 May",
            "critic   │ nothing",
        ]
    );
}

#[test]
fn a_wrapped_line_of_code_has_a_mark_at_the_wrap() {
    assert_eq!(shown("```\nlet one = 1;\nx\n```", 10), ["  let one", "↳ = 1;", "  x"]);
    assert_eq!(shown("> - ```\n>   let one = 1;\n>   ```", 14), ["│ •   let one", "│   ↳ = 1;"]);
    assert_eq!(fences("```\nlet one = 1;\n```"), ["let one = 1;"], "what is copied has none");
}

#[test]
fn a_rule_takes_the_row() {
    assert_eq!(shown("a\n\n---\n\nb", 5), ["a", "", "─────", "", "b"]);
}

#[test]
fn entities_cannot_bring_back_what_was_cleaned() {
    let text = "&#27;[2J &#x202e;x&#10;y [l](&#27;) `a`\n\n```&#27;\nz\n```\n\n| &#10;&#7; |\n|---|\n";
    for row in render(text, 40, &UNICODE) {
        assert!(!row.text().contains(|c: char| c.is_control() || c == '\u{202e}'), "{row:?}");
    }
}

#[test]
fn deep_nesting_is_shown_to_a_depth_and_costs_no_more() {
    let rows = render(&"> ".repeat(5_000), 40, &UNICODE);
    assert!(rows.len() <= 1);
    let rows = render(&format!("{}x", "> - ".repeat(2_000)), 40, &UNICODE);
    assert!(rows.iter().all(|row| row.width() <= 40));
    assert!(rows.iter().any(|row| row.text().ends_with('x')));
}

/// Markdown with hostile text between its marks.
fn hostile_markdown() -> impl Strategy<Value = String> {
    let mark = prop::sample::select(vec![
        "\n",
        "\n\n",
        "# ",
        "- ",
        "> ",
        "1. ",
        "```\n",
        "| a | b |\n|---|---|\n| ",
        " | ",
        "**",
        "*",
        "`",
        "[",
        "](",
        ")",
        "---\n",
        "    ",
        "&#27;",
        "&#9;",
        "&#13;",
        "&zwj;",
        "<b>",
        "![",
        "\t",
    ]);
    let piece = prop_oneof![mark.prop_map(String::from), clean::tests::hostile()];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn rows_fit_and_hold_no_control_character(text in hostile_markdown(), cells in 2usize..50) {
        for row in render(&text, cells, &UNICODE) {
            prop_assert!(row.width() <= cells, "{:?}", row);
            for span in &row.spans {
                prop_assert!(!span.text.contains(char::is_control), "{:?}", row);
                let again = clean::clean(&span.text);
                prop_assert_eq!(width::width(&again), width::width(&span.text), "{:?}", span);
            }
        }
    }

    #[test]
    fn every_fence_of_the_rows_can_be_copied(text in hostile_markdown()) {
        let copied = fences(&text);
        let last = render(&text, 30, &UNICODE).iter().filter_map(|row| row.fence).max();
        prop_assert_eq!(last.map_or(0, |last| last + 1), copied.len());
    }

    #[test]
    fn plain_words_are_all_shown(words in prop::collection::vec("[a-z]{1,12}", 1..30), cells in 4usize..40) {
        let text = words.join(" ");
        let rows = shown(&text, cells);
        prop_assert_eq!(rows.concat().replace(' ', ""), words.concat());
    }
}
