//! API keys.

use podling_session::principal::Role;

use super::world::*;

pub(crate) async fn the_first_key_is_added_once(world: impl World) {
    let store = world.store();
    assert_eq!(store.key("one").await.expect("the store answers"), None);
    assert!(store.add_first_key("one", [1; 32], &alice(), Role::Operator).await.expect("the store answers"));
    assert!(!store.add_first_key("one", [2; 32], &alice(), Role::User).await.expect("the store answers"));
    assert!(!store.add_first_key("two", [2; 32], &alice(), Role::Operator).await.expect("the store answers"));
    let key = store.key("one").await.expect("the store answers").expect("it was added");
    assert_eq!((key.id.as_str(), key.hash, key.role), ("one", [1; 32], Role::Operator));
    assert_eq!(key.owner, alice());
    assert_eq!(store.key("two").await.expect("the store answers"), None);
}
