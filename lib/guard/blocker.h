// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "config/blocker_codes.h"
#include "pci/address.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vfiobind {

/// A part of a sentence of which root and one user may read more than others.
struct Detail {
    unsigned uid = 0;  ///< whose process it tells of
    std::string shown; ///< as it stands in the sentence, for everybody: `qemu-system-x86 (pid 812)`
    std::string full;  ///< what stands there for these two: `qemu-system-x86 (VM win11) (pid 812)`
    bool operator==(const Detail&) const = default;
};

/// A reason for which a group is not taken.
struct Blocker {
    std::string code;              ///< one of blockerCodes
    std::optional<Address> device; ///< none where the whole group or machine is meant
    std::string sentence;          ///< for everybody; names the concrete thing, and what would help
    bool seen = true; ///< false: what would tell could not be read, which counts as in use (cannotTell)
    /// Pids: were these processes gone, so were the blocker. Empty for a blocker that no process makes.
    std::vector<unsigned> processes = {};
    std::vector<Detail> details = {};

    bool operator==(const Blocker&) const = default;
    /// `not-viable: 0000:00:1f.0 ...`
    std::string str() const { return code + ": " + sentence; }
};

using Blockers = std::vector<Blocker>;

/// Returns the blockers as the user may read them: with the details that are his, or with all for root.
Blockers forReader(Blockers blockers, unsigned uid);

/// All of them in one text.
inline std::string str(const Blockers& blockers) {
    std::string text;
    for (const auto& blocker : blockers)
        text += (text.empty() ? "" : "; ") + blocker.str();
    return text;
}

} // namespace vfiobind
