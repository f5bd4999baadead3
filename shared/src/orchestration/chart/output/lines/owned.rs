//! The lines that belong to a key, actions around and between them included.

use std::ops::Range;

use super::Line;

/// The lines that a key owns: its own, and all that stand deeper, with the actions around them.
pub(crate) fn block(lines: &[&str], first: usize) -> Range<usize> {
    let line = Line::of(lines[first]);
    let column = if line.key.is_empty() {
        line.prefix.len().saturating_sub(2)
    } else {
        line.column()
    };
    let own = if line.is_item() && line.key.is_empty() {
        lines[first].len() - lines[first].trim_start().len()
    } else {
        column
    };
    let opens = line.value.is_empty() || line.value.starts_with(['|', '>']);
    owned(lines, first, own, opens && !line.key.is_empty())
}

/// The lines of a whole item of a list, which begins at a line with a dash.
pub(crate) fn item_block(lines: &[&str], first: usize) -> Range<usize> {
    let dash = lines[first].len() - lines[first].trim_start().len();
    let line = Line::of(lines[first]);
    owned(lines, first, dash, line.value.is_empty())
}

fn owned(lines: &[&str], first: usize, column: usize, opens: bool) -> Range<usize> {
    let line = Line::of(lines[first]);
    let item = line.is_item();
    let mut end = first + 1;
    let mut at = first + 1;
    let mut depth = balance(lines[first]).max(0);
    let mut undecided = None;
    while at < lines.len() {
        let text = lines[at];
        let trimmed = text.trim();
        let indent = text.len() - text.trim_start().len();
        if trimmed.is_empty() || (trimmed.starts_with('#') && indent > column) {
            at += 1;
            continue;
        }
        if trimmed.starts_with("---") {
            break;
        }
        if is_action(trimmed) {
            match control(trimmed) {
                Some(Control::Open) => {
                    if undecided.is_none() && depth == 0 {
                        undecided = Some(at);
                    }
                    depth += 1;
                }
                Some(Control::Close) => {
                    if depth == 0 {
                        break;
                    }
                    depth -= 1;
                    if depth == 0 {
                        if undecided.take().is_none() {
                            end = at + 1;
                        } else {
                            // Nothing in there belonged to the key.
                            break;
                        }
                    }
                }
                Some(Control::Else) if depth == 0 => break,
                Some(Control::Else) => {}
                None => {
                    // Output such as `{{- toYaml . | nindent 4 }}` can stand at any column.
                    let indents = indented_by(trimmed);
                    let deeper = indents.map_or(indent > column || opens, |by| by > column);
                    let belongs = deeper || (opens && end == first + 1 && undecided.is_none());
                    if !belongs {
                        break;
                    }
                    if undecided.take().is_some() || depth == 0 {
                        end = end.max(at + 1);
                    }
                }
            }
            at += 1;
            continue;
        }
        let dash = trimmed.starts_with("- ") || trimmed == "-";
        let inside = indent > column || (indent == column && dash && !item && opens);
        if !inside {
            break;
        }
        undecided = None;
        depth += balance(text);
        if depth <= 0 {
            depth = 0;
            end = at + 1;
        } else {
            end = end.max(at + 1);
        }
        at += 1;
    }
    if depth > 0 && undecided.is_none() {
        // The end of what was opened inside belongs to it.
        let mut open = depth;
        let mut at = end;
        while at < lines.len() && open > 0 {
            open += balance(lines[at]);
            at += 1;
        }
        if open == 0 {
            end = at;
        }
    }
    first..end
}

enum Control {
    Open,
    Else,
    Close,
}

/// Whether a line is nothing but actions.
pub(super) fn is_action(trimmed: &str) -> bool {
    trimmed.starts_with("{{") && trimmed.ends_with("}}") && {
        let mut rest = trimmed;
        loop {
            let Some(inner) = rest.strip_prefix("{{") else {
                break rest.trim().is_empty();
            };
            let Some(end) = inner.find("}}") else {
                break false;
            };
            rest = inner[end + 2..].trim_start();
        }
    }
}

/// What a line of one control action does.
fn control(trimmed: &str) -> Option<Control> {
    match balance(trimmed) {
        1.. => Some(Control::Open),
        ..=-1 => Some(Control::Close),
        0 => match words(trimmed).next() {
            Some("else") => Some(Control::Else),
            _ => None,
        },
    }
}

/// The first word of each action.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split("{{").skip(1).filter_map(|action| {
        action
            .trim_start_matches('-')
            .trim_start()
            .split(|c: char| c.is_whitespace() || c == '-' || c == '}' || c == '(')
            .next()
    })
}

/// The line that begins the innermost loop around a line.
pub(crate) fn enclosing_loop(lines: &[&str], inside: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, line) in lines.iter().enumerate().take(inside).rev() {
        depth += balance(line);
        if depth > 0 {
            if words(line).any(|word| word == "range") {
                return Some(at);
            }
            // Another block around it; the loop may be around that.
            depth = 0;
        }
    }
    None
}

/// How many control actions a line opens more than it closes.
pub(crate) fn balance(line: &str) -> i32 {
    words(line)
        .map(|word| match word {
            "if" | "range" | "with" | "define" | "block" => 1,
            "end" => -1,
            _ => 0,
        })
        .sum()
}

/// The column that `nindent` or `indent` puts lines at.
fn indented_by(action: &str) -> Option<usize> {
    let at = action.rfind("indent ")?;
    action[at + 7..]
        .trim_start()
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}
