// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/rule_settings.h"

namespace vfiobind {

namespace {

template <typename T>
void replace(std::optional<T>& mine, const std::optional<T>& other) {
    if (other)
        mine = other;
}

} // namespace

void RuleSettings::overrideWith(const RuleSettings& other) {
    replace(driver, other.driver);
    replace(method, other.method);
    replace(allow, other.allow);
    replace(node, other.node);
    replace(keep, other.keep);
    replace(when, other.when);
    replace(giveBack, other.giveBack);
    replace(timeout, other.timeout);
}

void RuleSettings::applyTo(Rule& rule) const {
    rule.driver = driver.value_or(rule.driver);
    rule.method = method.value_or(rule.method);
    rule.allow = allow.value_or(rule.allow);
    rule.node = node.value_or(rule.node);
    rule.keep = keep.value_or(rule.keep);
    rule.when = when.value_or(rule.when);
    rule.giveBack = giveBack.value_or(rule.giveBack);
    rule.timeout = timeout.value_or(rule.timeout);
}

Rule RuleText::toRule(const RuleSettings& defaults) const {
    Rule rule;
    rule.name = name;
    rule.devices = devices;
    rule.members = members;
    rule.count = count;
    rule.sriovVfs = sriovVfs;
    rule.pauseUnits = pauseUnits;
    rule.where = where;
    defaults.applyTo(rule);
    settings.applyTo(rule);
    return rule;
}

} // namespace vfiobind
