// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the daemon publishes for schedulers and monitoring. Each publisher is a source file and a row here.
#pragma once

#include "publish/publish_state.h"

#include <array>
#include <string>
#include <string_view>

namespace vfiobind {

/// The CDI spec of the groups that are offered; see cdiSpec().
std::string cdiText(const PublishState& state);
/// Says which of the groups on offer the CDI spec lacks, since they have no nodes of the kind that it is to
/// name; empty for none. A group without an IOMMU never has cdevs (drivers/vfio/vfio.h, vfio_device_add()).
std::string cdiLack(const PublishState& state);
/// Prometheus' text format, https://prometheus.io/docs/instrumenting/exposition_formats/.
std::string metricsText(const PublishState& state);
/// A feature file of Node Feature Discovery's source `local`: a label for each group that is offered.
std::string nfdText(const PublishState& state);

struct Publisher {
    std::string_view path;
    bool PublishOptions::* wanted; ///< its key in [publish]
    /// Pure. An empty text is no file.
    std::string (*make)(const PublishState& state);
};

inline constexpr std::array<Publisher, 3> publishers{{
    {"/run/cdi/vfio-bind.json", &PublishOptions::cdi, cdiText},
    {"/run/vfio-bind/metrics.prom", &PublishOptions::metrics, metricsText},
    {"/etc/kubernetes/node-feature-discovery/features.d/vfio-bind", &PublishOptions::nfd, nfdText},
}};

} // namespace vfiobind
