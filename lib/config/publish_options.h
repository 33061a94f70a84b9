// SPDX-License-Identifier: LGPL-2.1-or-later
/// The [publish] table: in whose words the daemon tells what is bound.
#pragma once

#include <string>
#include <string_view>

namespace vfiobind {

inline constexpr std::string_view defaultCdiKind = "vfio.bind/group";

/// By which nodes a container gets a group; never by both.
enum class CdiNodes {
    group, ///< `/dev/vfio/22`, with `/dev/vfio/vfio`
    cdev,  ///< `/dev/vfio/devices/vfio0` of each of its devices, with `/dev/iommu`
};

struct PublishOptions {
    bool cdi = true; ///< /run/cdi/vfio-bind.json
    std::string cdiKind{defaultCdiKind};
    CdiNodes cdiNodes = CdiNodes::group;
    bool metrics = true; ///< /run/vfio-bind/metrics.prom
    bool nfd = false;    ///< Node Feature Discovery's file
    bool operator==(const PublishOptions&) const = default;
};

/// Whether CDI takes the kind: `vendor/class`, both of letters, digits, `_` and `-`, the vendor also of `.`;
/// both begin with a letter and end with a letter or a digit
/// (https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md).
bool isCdiKind(std::string_view kind);

} // namespace vfiobind
