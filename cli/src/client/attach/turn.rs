//! Who may type, told when it changes.

use serde_json::Value;

/// The viewer who alone may type, if anybody, by what was told last.
#[derive(Default)]
pub(super) struct Turn {
    holder: Option<u64>,
}

impl Turn {
    /// What a person has to know of `{"you","holder","people":[{"number","name","owner",…}]}`; none when nothing changed.
    pub(super) fn told(&mut self, roll: &Value) -> Option<String> {
        let holder = roll["holder"].as_u64();
        if std::mem::replace(&mut self.holder, holder) == holder {
            return None;
        }
        let Some(holder) = holder else { return Some("Everybody may type again.".to_owned()) };
        if roll["you"].as_u64() == Some(holder) {
            return Some("You alone may type now.".to_owned());
        }
        let people = roll["people"].as_array().map(Vec::as_slice).unwrap_or_default();
        let person = people.iter().find(|person| person["number"].as_u64() == Some(holder));
        let name = person.and_then(|person| person["name"].as_str().map(str::to_owned));
        let owner = person.is_some_and(|person| person["owner"] == true);
        let name = name.unwrap_or_else(|| if owner { "The owner".to_owned() } else { format!("Viewer {holder}") });
        Some(format!("{name} alone may type now: your keys go nowhere until the keyboard is given back."))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_of_who_may_type_is_told_once() {
        let mut turn = Turn::default();
        let mut told = |you: u64, holder: Value| {
            let people = json!([{ "number": 1, "name": null, "owner": true }, { "number": 2, "name": "Ann", "owner": false },
                { "number": 3, "name": null, "owner": false }]);
            turn.told(&json!({ "you": you, "holder": holder, "people": people }))
        };
        assert_eq!(told(1, Value::Null), None);
        assert!(told(1, json!(2)).expect("news").starts_with("Ann alone may type now: your keys go nowhere"));
        assert_eq!(told(1, json!(2)), None, "others came and went");
        assert!(told(3, json!(1)).expect("news").starts_with("The owner alone"));
        assert!(told(1, json!(3)).expect("news").starts_with("Viewer 3 alone"));
        assert_eq!(told(2, json!(2)).expect("news"), "You alone may type now.");
        assert_eq!(told(2, Value::Null).expect("news"), "Everybody may type again.");
    }
}
