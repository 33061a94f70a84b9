// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/publishers.h"

#include <algorithm>
#include <cctype>

namespace vfiobind {
namespace {

constexpr std::string_view labelPrefix = "vfio-bind.";

/// Kubernetes takes at most 63 letters, digits, `-`, `_` and `.`, the last a letter or a digit.
std::string labelOf(const std::string& name) {
    constexpr std::size_t longest = 63;
    auto label = std::string(labelPrefix) + name;
    std::ranges::replace(label, ':', '-');
    label.resize(std::min(label.size(), longest));
    while (std::isalnum(static_cast<unsigned char>(label.back())) == 0)
        label.pop_back();
    return label;
}

} // namespace

std::string nfdText(const PublishState& state) {
    std::string text;
    for (const auto& group : state.groups)
        if (group.isOffered())
            text += labelOf(group.name) + "=bound\n";
    return text;
}

} // namespace vfiobind
