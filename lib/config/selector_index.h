// SPDX-License-Identifier: LGPL-2.1-or-later
/// Finds selectors without comparing each with each: what a device or a selector has to do with is looked up
/// by its address, path, serial number, ids and subsystem.
#pragma once

#include "config/policy.h"
#include "pci/selector.h"

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace vfiobind {

/// A selector of a rule's `devices`, by position.
struct SelectorPlace {
    std::size_t rule = 0;
    std::size_t selector = 0;
    auto operator<=>(const SelectorPlace&) const = default;
};

/// Selectors by their most specific key. It keeps no selector: whoever asks compares.
class SelectorIndex {
public:
    SelectorIndex() = default;
    /// All of the rules' selectors.
    explicit SelectorIndex(std::span<const Rule> rules);

    void add(SelectorPlace place, const Selector& selector);
    /// Every selector that can match the device, and some that do not, in no order.
    void visit(const DeviceFacts& facts, const std::function<void(SelectorPlace)>& visitor) const;
    /// Every selector that can cover this one or be covered by it, and some that do not, in no order; some
    /// come twice.
    void visitRelated(const Selector& selector, const std::function<void(SelectorPlace)>& visitor) const;

private:
    using Buckets = std::unordered_map<std::string, std::vector<SelectorPlace>>;
    Buckets byFirstKey_;
    Buckets byEachKey_;
};

} // namespace vfiobind
