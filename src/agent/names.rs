//! The paths of parameters that the agent itself reads.

/// The four that identify the device, in the order of an Inform.
pub const DEVICE_ID: [&str; 4] = [
    "Device.DeviceInfo.Manufacturer",
    "Device.DeviceInfo.ManufacturerOUI",
    "Device.DeviceInfo.ProductClass",
    "Device.DeviceInfo.SerialNumber",
];
/// Tells the offset of local time by its own.
pub const LOCAL_TIME: &str = "Device.Time.CurrentLocalTime";

/// What the ACS wants in an Inform besides.
pub(super) const INFORM_PARAMETERS: &str = "Device.ManagementServer.InformParameter.*.";
