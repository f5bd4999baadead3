//! What reading an emitted value gives, without writing and parsing the text.

use serde_json::Value as Json;

use super::{Entry, Keyed, Kind, Mapping, Node, Position, Scalar, Value};

/// The node that the parser makes of the emitted text of a value, except that all of it stands at one place.
#[must_use]
pub fn reread(value: &Json, at: Position) -> Node {
    let node = borrowed(value, at);
    debug_assert!(
        is_what_the_parser_gives(&node),
        "emitted and read again: {node:?}"
    );
    node
}

/// As [`reread`], of a value that nobody needs any more.
#[must_use]
pub fn reread_owned(value: Json, at: Position) -> Node {
    let node = owned(value, at);
    debug_assert!(
        is_what_the_parser_gives(&node),
        "emitted and read again: {node:?}"
    );
    node
}

fn borrowed(value: &Json, at: Position) -> Node {
    match value {
        Json::String(text) => Node::string(text, at),
        Json::Array(items) => {
            Node::sequence(items.iter().map(|item| borrowed(item, at)).collect(), at)
        }
        Json::Object(map) => {
            let entries = map.iter().map(|(key, value)| {
                let node = borrowed(value, at);
                (key.clone(), Entry { key_at: at, node })
            });
            Node::mapping(Mapping(Keyed::of_distinct(entries)), at)
        }
        plain => unquoted(plain, at),
    }
}

fn owned(value: Json, at: Position) -> Node {
    match value {
        Json::String(text) => Node::string(text, at),
        Json::Array(items) => {
            Node::sequence(items.into_iter().map(|item| owned(item, at)).collect(), at)
        }
        Json::Object(map) => {
            let entries = map.into_iter().map(|(key, value)| {
                let node = owned(value, at);
                (key, Entry { key_at: at, node })
            });
            Node::mapping(Mapping(Keyed::of_distinct(entries)), at)
        }
        plain => unquoted(&plain, at),
    }
}

/// Null, a boolean or a number: what the emitter writes as it is.
fn unquoted(value: &Json, at: Position) -> Node {
    let (text, kind) = match value {
        Json::Null => ("null".to_owned(), Kind::Null),
        Json::Bool(value) => (value.to_string(), Kind::Bool),
        Json::Number(number) if !number.is_f64() => (number.to_string(), Kind::Integer),
        other => {
            let text = other.to_string();
            let kind = Kind::of_plain(&text);
            (text, kind)
        }
    };
    Node {
        value: Value::Scalar(Scalar { text, kind }),
        at,
        tag: None,
    }
}

/// The proof, made wherever debug assertions are on. Text that the parser refuses (nested too deep, for example) has
/// nothing to compare with.
fn is_what_the_parser_gives(node: &Node) -> bool {
    let text = super::emit(&node.to_json());
    match super::parse(node.at.file, &text, &super::Limits::default()) {
        Ok(parsed) => match parsed.as_slice() {
            [] => node.is_null(),
            [one] => one.says_the_same(node),
            _ => false,
        },
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::source::Sources;

    fn place() -> Position {
        Position::start_of(Sources::default().add("", ""))
    }

    fn values() -> impl Strategy<Value = Json> {
        let text = prop_oneof![
            any::<String>(),
            "[-+.0-9eExob_:~<=ynNY tTrueoffl#'\"\\\\|>\n$]{0,12}",
            "[a-z]{1,8}",
        ];
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            text.clone().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The very check that debug builds make of each value.
        #[test]
        fn as_the_parser_reads_it(value in values()) {
            let node = borrowed(&value, place());
            prop_assert!(is_what_the_parser_gives(&node));
            prop_assert_eq!(node.to_json(), value.clone());
            prop_assert_eq!(owned(value, place()), node);
        }
    }

    #[test]
    fn null_is_a_word() {
        let node = reread(&json!({"a": null}), place());
        let scalar = node
            .as_mapping()
            .and_then(|m| m.get("a"))
            .and_then(Node::as_scalar);
        assert_eq!(scalar.map(|s| s.text.as_str()), Some("null"));
    }
}
