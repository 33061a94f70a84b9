// SPDX-License-Identifier: LGPL-2.1-or-later
/// Parameters of the vfio modules and of pci-stub, wherever they are written.
#pragma once

#include "import/found.h"
#include "modules/kernel_words.h"

#include <expected>

namespace vfiobind::ctl {

/// Where parameters stand and what becomes of the place.
struct ParameterPlace {
    IdsFrom from = IdsFrom::modprobe;
    Place place;
    const char* rule; ///< the name that a rule for its ids gets
};

/// Whether the module is one whose parameters are read: those of VFIO, and pci-stub.
bool hasParameters(std::string_view module);

/// The devices and options that the parameters of one line mean. `removable` is what can go if all of it was
/// understood and is in a rule.
void readParameters(const std::string& module, const std::vector<KernelWord>& words,
                    const ParameterPlace& where, const Removable& removable, Found& found);

/// One entry of `ids=`, `vendor:device[:subvendor[:subdevice[:class[:mask]]]]` (drivers/vfio/pci/vfio_pci.c,
/// vfio_pci_fill_ids; drivers/pci/pci-stub.c).
std::expected<Selector, std::string> parseVfioId(std::string_view text);

/// Whether the word is `vfio-pci.ids=` misspelt, as `vfio-pci-ids=` and `vfio-pci.id=`.
bool isMisspeltIds(std::string_view name);

} // namespace vfiobind::ctl
