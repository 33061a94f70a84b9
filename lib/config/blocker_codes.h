// SPDX-License-Identifier: LGPL-2.1-or-later
/// The codes of the reasons for which a group is not taken.
#pragma once

#include <array>
#include <string_view>

namespace vfiobind {

/// Where a code that is allowable may stand.
enum class AllowedIn {
    everywhere, ///< in a rule and in a call
    calls,      ///< in a call only: once, by who has looked at it
    release,    ///< in a call that releases only
};

struct BlockerCode {
    std::string_view name;
    bool allowable; ///< may be named in `allow`; the others the kernel would refuse anyway, or the wrong
                    ///< device would be taken
    AllowedIn where = AllowedIn::everywhere;
};

inline constexpr auto blockerCodes = std::to_array<BlockerCode>({
    {"boot-display", true},
    {"console", true},
    {"display-in-use", true},
    {"mounted", true},
    {"swap", true},
    {"storage-member", true},
    {"default-route", true},
    {"network-up", true},
    {"network-stacked", true},
    {"usb-storage", true},
    {"last-keyboard", true},
    {"sound-in-use", true},
    {"has-vfs", true},
    {"held-by-vm", true},
    {"in-use", true},
    {"mediated", true},
    {"unexpected-member", true, AllowedIn::calls},
    {"leased", true, AllowedIn::release},
    {"foreign-driver-override", true},
    {"foreign-driver", true},
    {"driver-missing", false},
    {"no-iommu", false},
    {"not-viable", false},
    {"id-mismatch", false},
    {"ambiguous", false},
    {"direct-reserved-region", false},
    {"inaccessible", false},
    {"denylisted", false},
});

/// nullptr for an unknown code.
constexpr const BlockerCode* findBlockerCode(std::string_view name) {
    for (const auto& code : blockerCodes)
        if (code.name == name)
            return &code;
    return nullptr;
}

} // namespace vfiobind
