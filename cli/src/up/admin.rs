//! Where operators reach a Podling of one machine, when nothing was said of it.

use std::net::{Ipv4Addr, SocketAddr};

use podling_controller::admin_listen::AdminArgs;

/// A free port of the loopback, of which `podling admin` learns in the data directory.
pub(super) fn at_least_here(args: AdminArgs) -> AdminArgs {
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    AdminArgs { admin_listen: args.admin_listen.or(Some(here)), ..args }
}
