// SPDX-License-Identifier: LGPL-2.1-or-later
/// What several machines have answered, for people and for programs.
#pragma once

#include "hosts.h"
#include "text.h"

#include <string>
#include <vector>

namespace vfiobind::ctl {

/// Whether it is a description that renderHosts() and hostsJson() can show; else they show why not.
bool isDescription(const HostAnswer& answer);

/// One table of the groups of all hosts, as renderStatus() has them of one. A host that did not answer is a
/// row with its reason.
std::string renderHosts(const std::vector<HostAnswer>& answers, const Style& style, bool all);

/// `{"hosts": [{"host": "a", "error": "", "state": {...}}, {"host": "b", "error": "...", "state": null}]}`;
/// a state is what Describe says.
std::string hostsJson(const std::vector<HostAnswer>& answers);

} // namespace vfiobind::ctl
