//! Where in `main/docs/guide` the branch ends and the folder begins: the longest branch, tag or commit that exists.

use http::StatusCode;
use podling_session::source::GitHubTree;
use url::Url;

use super::{
    Event, SourceError, Tell,
    download::Errand,
    hop::{Answer, ask},
    part::Part,
};

/// The most segments that a branch or tag may have: each is one question more. Real ones have two or three.
const MAX_REFERENCE_SEGMENTS: usize = 8;

/// A tree that was found.
pub(super) struct Found {
    pub(super) url: Url,
    pub(super) answer: Answer,
    /// The folder of the archive that is meant.
    pub(super) part: Part,
}

pub(super) async fn find(tree: &GitHubTree, errand: &Errand<'_>, tell: Tell<'_>) -> Result<Found, SourceError> {
    let path = tree.path();
    for length in (1..=path.len().min(MAX_REFERENCE_SEGMENTS)).rev() {
        let (reference, folder) = path.split_at(length);
        let url = archive_url(&errand.request.settings.github, tree, reference);
        match ask(&url, errand, None).await {
            Ok(answer) => {
                tell(Event::Found { reference: reference.join("/"), folder: folder.join("/") });
                return Ok(Found { url, answer, part: Part::Below(folder.iter().map(Into::into).collect()) });
            }
            Err(SourceError::Status { status: StatusCode::NOT_FOUND, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(SourceError::NoReference { repository: format!("{}/{}", tree.owner(), tree.repo()), path: path.join("/") })
}

/// `{base}/{owner}/{repo}/tar.gz/{reference}`, with the slashes of the reference as they are.
fn archive_url(base: &Url, tree: &GitHubTree, reference: &[String]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend([tree.owner(), tree.repo(), "tar.gz"]).extend(reference);
    }
    url
}

#[cfg(test)]
mod tests {
    use podling_session::source::Source;

    use super::*;

    #[test]
    fn an_archive_is_asked_for_by_the_whole_name_of_its_branch() {
        let check = |base: &str, text: &str, expected: &str| {
            let Source::GitHubTree(tree) = Source::parse(text, None).expect(text) else { panic!("{text}") };
            assert_eq!(archive_url(&base.parse().expect(base), &tree, tree.path()).as_str(), expected);
        };
        let host = "https://codeload.github.com";
        check(host, "https://github.com/o/r/tree/main", "https://codeload.github.com/o/r/tar.gz/main");
        check(host, "https://github.com/o/r/tree/a/b%20c", "https://codeload.github.com/o/r/tar.gz/a/b%20c");
        check("http://h:1/x/", "https://github.com/o/r/tree/a%3Fb", "http://h:1/x/o/r/tar.gz/a%3Fb");
    }
}
