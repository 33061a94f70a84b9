// SPDX-License-Identifier: LGPL-2.1-or-later
/// The settings of OpenNebula's PCI probe.
#pragma once

#include "import/found.h"

namespace vfiobind::ctl {

struct Setting {
    std::string value;
    Place place;
};

/// A device is offered if a filter, an address and a name match it; a list that is empty matches all.
struct ProbeSettings {
    std::vector<Setting> filters; ///< as `lspci -d` takes them, one each
    bool everything = false;      ///< the filter is there and is nil
    std::vector<Setting> addresses;
    std::vector<Setting> names; ///< regular expressions
};

/// pci.conf: `:filter:`, `:short_address:` and `:device_name:`, each a string, a list in brackets or a list
/// of lines that begin with `-`. Of YAML that is all that the file uses.
ProbeSettings readPciConf(const std::string& path, const std::string& content, Found& found);

/// pci.rb of before 5.6: `FILTER = '...'`.
ProbeSettings readPciRb(const std::string& path, const std::string& content, Found& found);

} // namespace vfiobind::ctl
