//! `podling share`: links that let others into a session.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    api::Api,
    args::ShareArgs,
    error::ClientError,
    run::{say, say_text},
};

/// Makes a link, or lists those there are, or takes one back.
pub(super) async fn share(api: &Api, args: ShareArgs) -> Result<ExitCode, ClientError> {
    let path = format!("/api/sessions/{}/shares", args.id);
    let (answer, text) = match &args.revoke {
        Some(link) => (api.delete(&format!("{path}/{link}")).await?, link.clone()),
        None if args.list => {
            let links = api.get(&path).await?;
            let text = table(links["shares"].as_array().map(Vec::as_slice).unwrap_or_default());
            (links, text)
        }
        None => {
            let link = api.post(&path, &body(&args)).await?;
            let url = link["url"].as_str().unwrap_or_default().to_owned();
            (link, url)
        }
    };
    if args.server.json {
        say(&answer)?
    } else {
        say_text(&text)?
    }
    Ok(ExitCode::SUCCESS)
}

fn body(args: &ShareArgs) -> Value {
    let mut body = json!({ "read_only": !args.write, "uses": args.uses, "expires_in_seconds": args.expires.as_secs() });
    if let Some(name) = &args.name {
        body["name"] = json!(name);
    }
    body
}

fn table(links: &[Value]) -> String {
    let row = |link: &Value| {
        let text = |name: &str| link[name].as_str().unwrap_or_default().to_owned();
        let state =
            if link["revoked_at"].is_null() { format!("until {}", text("expires_at")) } else { "revoked".into() };
        let may = if link["read_only"] == true { "watch" } else { "type" };
        format!("{}  {may:5}  {}/{} uses  {state}  {}", text("id"), link["uses"], link["max_uses"], text("name"))
    };
    links.iter().map(|link| row(link).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_of_each_link_what_it_still_opens() {
        let link = |more: Value| {
            let mut link = json!({ "id": "c8edbdc6ad1471e5", "read_only": true, "uses": 0, "max_uses": 1, "name": null,
                "expires_at": "2026-01-02T00:00:00Z", "revoked_at": null });
            link.as_object_mut().expect("a link").extend(more.as_object().expect("members").clone());
            link
        };
        let links =
            [link(json!({ "name": "Ann" })), link(json!({ "read_only": false, "revoked_at": "2026-01-01T00:00:00Z" }))];
        let lines = "c8edbdc6ad1471e5  watch  0/1 uses  until 2026-01-02T00:00:00Z  Ann\n\
                     c8edbdc6ad1471e5  type   0/1 uses  revoked";
        assert_eq!(table(&links), lines);
    }
}
