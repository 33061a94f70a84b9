// SPDX-License-Identifier: LGPL-2.1-or-later
/// Kernel modules: which serve a device, and how they get loaded.
#pragma once

#include "pci/ids.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

class Modules {
public:
    virtual ~Modules() = default;
    /// Names of the modules that serve the device natively, as modules.alias has them. Nothing where that
    /// cannot be told; why is logged.
    virtual std::optional<std::vector<std::string>> native(const Ids& ids) = 0;
    /// What driver "auto" means: the variant driver whose `vfio_pci:` alias fits with the fewest wildcards
    /// (Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst), else vfio-pci.
    virtual std::string automatic(const Ids& ids) = 0;
    /// Another number once depmod(8) has run: native() and automatic() may then say something else.
    virtual std::uint64_t revision() = 0;
    virtual bool loaded(const std::string& module) = 0;
    /// Loads them and calls back once, from the event loop; whether it went well shows in what is there then.
    virtual void load(std::vector<std::string> modules, std::function<void()> done) = 0;
    /// Whether loading would give the driver, as far as can be told without loading.
    virtual bool canLoad(const std::string& driver) = 0;
    /// Why a driver is still not there: not installed, kept off by modprobe.d, or refused by the kernel. A
    /// sentence.
    virtual std::string whyMissing(const std::string& driver) = 0;
};

} // namespace vfiobind
