//! Device.NAT.: what its lines cannot say. `interface` has the zones that masquerade, `mapping` the redirects.

mod interface;
mod mapping;

pub use interface::{
    add_nat_interface, delete_nat_interface, nat_enable, nat_interface, nat_interfaces, nat_status,
    set_nat_enable, set_nat_interface,
};
pub use mapping::*;

use std::borrow::Cow;

/// A boolean as the standard writes it.
pub fn boolean(yes: bool) -> Cow<'static, str> {
    Cow::Borrowed(if yes { "true" } else { "false" })
}
