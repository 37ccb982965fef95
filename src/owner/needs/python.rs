//! Python's distributions (PyPA's "Core metadata specifications"): `Requires-Dist`, those without a condition.

use super::{Draft, Package};
use crate::owner::evidence::{Evidence, Kind};
use crate::owner::python::normalised;
use crate::owner::text::{field, lines};
use crate::owner::{Owner, Owners, System};

/// A distribution's owner is that of its metadata: it may be a package of dpkg.
pub(super) fn read(evidence: &[Evidence<'_>], owners: &Owners, draft: &mut Draft) {
    for file in evidence {
        let Kind::PythonMeta { site, name, .. } = file.kind else { continue };
        let Some(Owner { system, name: owner }) = owners.owner_of(file.path) else { continue };
        // Each site has distributions of its own.
        let key = |name: &[u8]| Box::from([site, b"#", &normalised(name)].concat());
        let Some(mut package) = Package::new(system, owner.as_bytes(), &key(name)) else { continue };
        package.space = System::Python;
        // What follows the first blank line describes the project.
        for line in lines(file.bytes).take_while(|line| !line.is_empty()) {
            if let Some(need) = field(line, "Requires-Dist").filter(|need| !need.contains(&b';')) {
                let end = need.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_.".contains(b));
                package.needs.push(vec![key(&need[..end.unwrap_or(need.len())])]);
            }
        }
        draft.push(package);
    }
}
