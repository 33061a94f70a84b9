// SPDX-License-Identifier: LGPL-2.1-or-later
/// What of the daemon's state is published, as plain values: each publisher is a function of this.
#pragma once

#include "config/publish_options.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vfiobind {

/// A group that a rule wants, or that is not simply with its native drivers.
struct PublishedGroup {
    unsigned number = 0;
    std::string rule; ///< empty where none wants it
    std::string name; ///< of cdiNames()
    std::string state = "native";
    std::string node;                  ///< `/dev/vfio/22`; empty where there is none
    std::vector<std::string> cdevs;    ///< of all its endpoints; empty where one has none
    std::vector<std::string> blockers; ///< codes, each once
    unsigned leases = 0;               ///< how many there are
    bool leasedOnly = false;           ///< bound for its leases and nothing else, so that it is somebody's

    bool operator==(const PublishedGroup&) const = default;
    /// Whether anybody who asks for the group may have it.
    bool isOffered() const { return state == "bound" && !(node.empty() && cdevs.empty()) && !leasedOnly; }
};

/// The jobs that have ended since the daemon began.
struct JobTotals {
    std::map<std::pair<std::string, std::string>, std::uint64_t> ended; ///< by kind and result
    double seconds = 0;                                                 ///< all of them together
    std::uint64_t count() const;

    bool operator==(const JobTotals&) const = default;
};

struct PublishState {
    std::string cdiKind{defaultCdiKind};
    CdiNodes cdiNodes = CdiNodes::group;
    std::vector<PublishedGroup> groups; ///< in order of number
    JobTotals jobs;
    bool configError = false;
};

} // namespace vfiobind
