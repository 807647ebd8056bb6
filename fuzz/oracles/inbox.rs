//! An inbox does what the model of its rules does, whatever the steps, times and crashes are.

#[path = "../../tests/model"]
mod model {
    pub(crate) mod bytes;
    pub(crate) mod op;
    pub(crate) mod partner;
    pub(crate) mod planted;
    pub(crate) mod promise;
    pub(crate) mod rules;
    pub(crate) mod world;
}

use model::op::Case;
pub(crate) use model::world::Kind;
use model::world::World;

/// The steps that the data says, done to the inbox and to the model. Returns whether a delivery was settled.
///
/// # Panics
///
/// The inbox answered otherwise than the rules say.
pub(crate) fn check(kind: Kind, data: &[u8]) -> bool {
    let case = Case::from_bytes(data);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut world = World::new(kind, case.setup).await;
        if let Err(reason) = world.run(&case).await {
            panic!("{kind:?}: {reason}\nin {:?}\n{}", case.setup, world.trace.join("\n"));
        }
        world.tally.contains_key("settle: Recorded")
    })
}
