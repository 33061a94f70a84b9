// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/rule_settings.h"

#include "config/selector_index.h"
#include "pci/text.h"

#include <fmt/format.h>

#include <map>

namespace vfiobind {

namespace {

std::string nameOf(const RuleText& rule) {
    return rule.name.empty() ? "without a name" : quote(rule.name);
}

/// The place and the text of one selector of a rule.
struct Claim {
    const RuleText* rule;
    const Selector* selector;
    const SourceLocation* where;
};

/// The claims of all rules so far, found by what they name.
class Claims {
public:
    /// The first of the earlier claims, of other rules, to a device that this one claims as well.
    const Claim* findRival(const Claim& claim) const {
        const Claim* first = nullptr;
        index_.visitRelated(*claim.selector, [&](SelectorPlace place) {
            const Claim& other = claims_[place.selector];
            // Of a rule that is there twice, it is said already that its name is.
            const bool sameName = !claim.rule->name.empty() && claim.rule->name == other.rule->name;
            if (other.rule != claim.rule && !sameName && (first == nullptr || &other < first) &&
                (claim.selector->covers(*other.selector) || other.selector->covers(*claim.selector)))
                first = &other;
        });
        return first;
    }

    void add(const Claim& claim) {
        index_.add({0, claims_.size()}, *claim.selector);
        claims_.push_back(claim);
    }

private:
    std::vector<Claim> claims_;
    SelectorIndex index_;
};

ConfigError contradiction(const Claim& claim, const Claim& rival) {
    const std::string with = *claim.selector == *rival.selector ? "" : " with " + rival.selector->str();
    return {*claim.where,
            fmt::format("{} is claimed by rule {}, and by rule {} at {}{}: a device belongs to one rule "
                        "only, take it out of one of them",
                        claim.selector->str(), nameOf(*claim.rule), nameOf(*rival.rule), rival.where->str(),
                        with)};
}

} // namespace

std::vector<ConfigError> findContradictions(const std::vector<RuleText>& rules) {
    std::vector<ConfigError> errors;
    std::map<std::string_view, const RuleText*> names;
    Claims claims;
    for (const RuleText& rule : rules) {
        if (!rule.name.empty()) {
            const auto [first, isNew] = names.emplace(rule.name, &rule);
            if (!isNew)
                errors.push_back(
                    {rule.nameWhere,
                     fmt::format("the rule name {} is taken already at {}: give one of them another name",
                                 quote(rule.name), first->second->nameWhere.str())});
        }
        for (std::size_t i = 0; i < rule.devices.size(); ++i) {
            const Claim claim{&rule, &rule.devices[i], &rule.deviceWhere[i]};
            if (const Claim* rival = claims.findRival(claim))
                errors.push_back(contradiction(claim, *rival));
            claims.add(claim);
        }
    }
    return errors;
}

} // namespace vfiobind
