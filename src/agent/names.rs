//! The paths of parameters that the agent itself reads.

/// The four that identify the device, in the order of an Inform.
pub const DEVICE_ID: [&str; 4] = [
    "Device.DeviceInfo.Manufacturer",
    "Device.DeviceInfo.ManufacturerOUI",
    "Device.DeviceInfo.ProductClass",
    "Device.DeviceInfo.SerialNumber",
];
