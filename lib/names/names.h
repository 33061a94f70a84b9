// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "pci/ids.h"

#include <memory>
#include <string>
#include <systemd/sd-hwdb.h>

namespace vfiobind {

/// Names of vendors and devices from udev's hardware database (hwdb(7)); empty where it has none.
class Names {
public:
    Names();
    std::string vendor(const Ids& ids) const { return get(ids, "ID_VENDOR_FROM_DATABASE"); }
    /// Of a model that it has not, what it is by its class.
    std::string device(const Ids& ids) const;
    /// Vendor and model, as far as it has them.
    std::string name(const Ids& ids) const;
    /// What it is by its class, `VGA compatible controller`.
    std::string kind(const Ids& ids) const;
    /// Why there are no names at all; empty where there are.
    const std::string& error() const { return error_; }

private:
    std::string get(const Ids& ids, const char* key) const;
    struct Unref {
        void operator()(sd_hwdb* hwdb) const { sd_hwdb_unref(hwdb); }
    };
    std::unique_ptr<sd_hwdb, Unref> hwdb_;
    std::string error_;
};

} // namespace vfiobind
