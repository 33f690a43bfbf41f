//! Reading the vendor extensions from disk. What they may say is [`crate::dm::dropin`]'s.

use super::disk::Disk;
use crate::dm::mapfile::MAX_FILE;
use std::io::ErrorKind;

/// Where vendor extensions lie, one `.toml` file each, read in the order of their names.
pub const DIR: &str = "/etc/cpeagent/models.d";

/// The extensions, path and text, and what cannot be read.
pub fn read(disk: &dyn Disk) -> (Vec<(String, String)>, Vec<String>) {
    let (mut files, mut mistakes) = (Vec::new(), Vec::new());
    let names = match disk.list(DIR) {
        Ok(names) => names,
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                mistakes.push(format!("{DIR}: {error}"));
            }
            return (files, mistakes);
        }
    };
    for name in names.iter().filter(|name| name.ends_with(".toml") && !name.starts_with('.')) {
        let path = format!("{DIR}/{name}");
        let text = disk.read(&path, MAX_FILE as u64).map(String::from_utf8);
        match text {
            Ok(Ok(text)) => files.push((path, text)),
            Ok(Err(_)) => mistakes.push(format!("{path}: not UTF-8")),
            Err(error) => mistakes.push(format!("{path}: {error}")),
        }
    }
    (files, mistakes)
}

#[cfg(test)]
mod tests {
    use super::super::disk::sim::SimDisk;
    use super::*;

    #[test]
    fn extensions_are_read_in_order_and_one_that_is_too_long_is_told() {
        assert_eq!(read(&SimDisk::with([])), (vec![], vec![]));
        let disk = SimDisk::with([]);
        let right = "[\"Device.DeviceInfo.\"]\nX_ACME_Board = \"cat /etc/board | type string(64)\"\n";
        for (name, text) in [("b.toml", right), ("a.toml", "wrong"), ("c.txt", right), (".d.toml", right)] {
            disk.put(&format!("{DIR}/{name}"), text);
        }
        disk.put(&format!("{DIR}/z.toml"), &"#".repeat(MAX_FILE + 1));
        let (files, mistakes) = read(&disk);
        let names: Vec<&str> = files.iter().filter_map(|(path, _)| path.rsplit('/').next()).collect();
        assert_eq!((names, mistakes.len()), (vec!["a.toml", "b.toml"], 1));
        assert_eq!(files.iter().filter(|(_, text)| text == right).count(), 1);
    }
}
