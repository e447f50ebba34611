//! Laying one tree of settings over another.

use toml::map::Entry;
use toml::{Table, Value};

use super::takes::Takes;
use crate::shown::shown;

/// Keys have at most this many parts. The deepest setting has four, a key of a sweep some more.
pub const DEEPEST: usize = 12;

/// A value that has no place in the tree under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// The key that there is not.
    pub path: Vec<String>,
    pub message: String,
    pub help: String,
}

/// The index of an element that a part of a key stands for.
pub fn index(segment: &str) -> Option<usize> {
    let plain = segment == "0" || !segment.starts_with('0');
    let digits = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
    (plain && digits).then(|| segment.parse().unwrap_or(usize::MAX))
}

/// Lays `over` on top of `tree`: sections are merged key by key, and a table whose keys are all indices sets elements of
/// the list that it meets; all else is replaced. A table that is one of several forms of a value gives way to another form.
pub fn lay(tree: &mut Table, over: Table) -> Result<(), Misplaced> {
    lay_table(tree, over, &mut Vec::new())
}

fn lay_table(tree: &mut Table, over: Table, path: &mut Vec<String>) -> Result<(), Misplaced> {
    for (key, value) in over {
        path.push(key.clone());
        match tree.entry(key) {
            Entry::Occupied(mut under) => lay_value(under.get_mut(), value, path)?,
            Entry::Vacant(place) => {
                let mut under = Value::Table(Table::new());
                if let Some(element) = addressed_element(&value, path) {
                    return Err(no_list(path, element));
                }
                lay_value(&mut under, value, path)?;
                place.insert(under);
            }
        }
        path.pop();
    }
    Ok(())
}

fn lay_value(under: &mut Value, over: Value, path: &mut Vec<String>) -> Result<(), Misplaced> {
    match (under, over) {
        (Value::Array(items), Value::Table(over)) if has_indices(&over) => {
            for (key, value) in over {
                let count = items.len();
                path.push(key.clone());
                match index(&key).and_then(|index| items.get_mut(index)) {
                    Some(item) => lay_value(item, value, path)?,
                    None => return Err(no_element(path, count)),
                }
                path.pop();
            }
        }
        (_, over) if addressed_element(&over, path).is_some() => {
            return Err(no_list(path, addressed_element(&over, path).unwrap_or_default()));
        }
        (Value::Table(under), Value::Table(over))
            if is_section(path) || over.keys().all(|key| under.contains_key(key)) =>
        {
            lay_table(under, over, path)?;
        }
        (under, over) => *under = plain(over),
    }
    Ok(())
}

/// A negative zero is zero: as settings the two mean the same, but their keys in the store would differ.
fn plain(value: Value) -> Value {
    match value {
        Value::Float(0.0) => Value::Float(0.0),
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Table(table) => Value::Table(table.into_iter().map(|(key, value)| (key, plain(value))).collect()),
        value => value,
    }
}

/// Sets one value under a dotted key, in place of what is there.
pub fn set(tree: &mut Table, key: &str, value: Value) -> Result<(), Misplaced> {
    let path: Vec<String> = key.split('.').take(DEEPEST + 1).map(str::to_owned).collect();
    if path.len() > DEEPEST {
        let message = format!("{} is nested too deeply", shown(key));
        return Err(Misplaced { path, message, help: "no setting lies more than a few levels deep".into() });
    }
    let under = tree.entry(path[0].clone()).or_insert_with(|| Value::Table(Table::new()));
    put(under, &path, 1, value)
}

fn put(under: &mut Value, path: &[String], depth: usize, value: Value) -> Result<(), Misplaced> {
    let Some(part) = path.get(depth) else {
        *under = plain(value);
        return Ok(());
    };
    if let Value::Array(items) = under {
        let count = items.len();
        let item = index(part).and_then(|index| items.get_mut(index));
        return put(item.ok_or_else(|| no_element(&path[..=depth], count))?, path, depth + 1, value);
    }
    if index(part).is_some() && Takes::at(&texts(&path[..depth])).list {
        return Err(no_list(&path[..depth], part));
    }
    // What stands in the way of a table is replaced.
    if !under.is_table() {
        *under = Value::Table(Table::new());
    }
    let table = under.as_table_mut().expect("it was made one");
    put(table.entry(part.clone()).or_insert_with(|| Value::Table(Table::new())), path, depth + 1, value)
}

/// The value under a dotted key, through tables and lists.
pub fn get<'a>(tree: &'a Table, key: &str) -> Option<&'a Value> {
    let mut segments = key.split('.');
    let first = tree.get(segments.next()?)?;
    segments.try_fold(first, |value, segment| match value {
        Value::Table(table) => table.get(segment),
        Value::Array(items) => items.get(index(segment)?),
        _ => None,
    })
}

fn has_indices(table: &Table) -> bool {
    !table.is_empty() && table.keys().all(|key| index(key).is_some())
}

/// The first of the elements that a value sets, if its key takes a list.
fn addressed_element<'a>(value: &'a Value, path: &[String]) -> Option<&'a str> {
    let table = value.as_table().filter(|table| has_indices(table))?;
    let first = table.keys().next()?;
    Takes::at(&texts(path)).list.then_some(first)
}

/// Whether the keys of a table are set one by one. Unknown tables count as such, and are refused later.
fn is_section(path: &[String]) -> bool {
    let takes = Takes::at(&texts(path));
    takes.section || takes.is_unknown()
}

fn texts(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn no_list(path: &[String], element: &str) -> Misplaced {
    let key = path.join(".");
    let message = format!("{key} is not set to a list, so it has no element {element}");
    let path = path.iter().cloned().chain([element.to_owned()]).collect();
    Misplaced { path, message, help: format!("write the whole list first: {key} = [...]") }
}

fn no_element(path: &[String], count: usize) -> Misplaced {
    let (element, list) = path.split_last().expect("an element has a list");
    let list = list.join(".");
    let elements = if count == 1 { "element" } else { "elements" };
    let help = match count {
        0 => format!("write the whole list first: {list} = [...]"),
        _ => format!("its elements are counted from 0 to {}; to add some, write the whole list", count - 1),
    };
    let message = format!("{list} has {count} {elements}, but no element {element}");
    Misplaced { path: path.to_vec(), message, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().expect("well-formed")
    }

    #[track_caller]
    fn laid(tree: &str, over: &str) -> Table {
        let mut tree = table(tree);
        lay(&mut tree, table(over)).expect("it has a place");
        tree
    }

    #[test]
    fn sections_are_merged_and_values_replaced() {
        assert_eq!(
            laid("[train]\nepochs = 1\nseed = 2", "[train]\nepochs = 3"),
            table("[train]\nepochs = 3\nseed = 2")
        );
        let smooth = laid("[explain.smooth]\nsamples = 3", "[explain.smooth]\nsigma = 0.5");
        assert_eq!(smooth, table("[explain.smooth]\nsamples = 3\nsigma = 0.5"));
        // A reference is one value, of which there are several kinds.
        let ages = laid("[explain]\nreference = { ages = [20, 30] }", "explain.reference.ages.0 = 25");
        assert_eq!(ages, table("[explain]\nreference = { ages = [25, 30] }"));
        let reference = laid("[explain]\nreference = { ages = [20, 30] }", "[explain]\nreference = { flooding = 70 }");
        assert_eq!(reference, table("[explain]\nreference = { flooding = 70 }"));
    }

    #[test]
    fn elements_are_set_by_their_index() {
        let base = "[explain]\ncomposite = [{ gamma = 1 }, { gamma = 2, rule = 'z' }]\n[model]\nconv_filters = [1, 2]";
        let changed = laid(base, "explain.composite.1.gamma = 5\nmodel.conv_filters.0 = 9");
        assert_eq!(get(&changed, "explain.composite.1"), Some(&table("gamma = 5\nrule = 'z'").into()));
        assert_eq!(get(&changed, "model.conv_filters.0"), Some(&Value::Integer(9)));
        assert_eq!(get(&changed, "model.conv_filters.2"), None);
        let mut tree = table(base);
        set(&mut tree, "explain.composite.1.gamma", Value::Integer(5)).unwrap();
        set(&mut tree, "model.conv_filters.0", Value::Integer(9)).unwrap();
        assert_eq!(tree, changed);
    }

    #[test]
    fn elements_that_are_not_there_are_refused() {
        let base = "[explain]\nanalyzer = 'lrp'\n[model]\nconv_filters = [1, 2]";
        for (key, message) in [
            ("model.conv_filters.2", "model.conv_filters has 2 elements, but no element 2"),
            ("model.conv_filters.99999999999999999999", "but no element 99999999999999999999"),
            ("explain.composite.0.gamma", "explain.composite is not set to a list, so it has no element 0"),
        ] {
            let set = set(&mut table(base), key, Value::Integer(1)).unwrap_err();
            let laid = lay(&mut table(base), table(&format!("{key} = 1"))).unwrap_err();
            assert!(
                set.message.contains(message) && laid.message.contains(message),
                "{}, {}",
                set.message,
                laid.message
            );
        }
        assert!(
            set(&mut table(base), &"a.".repeat(10_000), Value::Integer(1)).unwrap_err().message.contains("too deeply")
        );
        assert_eq!(
            ["0", "7", "00", "01", "+1", "-1", "", "x"].map(index),
            [Some(0), Some(7), None, None, None, None, None, None]
        );
    }

    #[test]
    fn a_negative_zero_is_zero() {
        let tree = laid("", "[explain]\nlow = -0.0\nreference = { ages = [-0.0, 1.0] }");
        assert!(!tree.to_string().contains("-0"), "{tree}");
    }
}
