// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/settle.h"

#include "import/native_modules.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>
#include <map>
#include <set>

namespace vfiobind::ctl {
namespace {

bool covered(const IdList& list, const IdList& last) {
    return std::ranges::all_of(
        list.claims, [&](const Claim& claim) { return has(last.claims, claim.selector, &Claim::selector); });
}

std::string idsOf(const IdList& list) {
    std::vector<std::string> ids;
    for (const auto& claim : list.claims)
        ids.push_back(claim.selector.str());
    return fmt::format("{}", fmt::join(ids, ", "));
}

void keepRemovable(IdList& list, Found& found) {
    std::ranges::move(list.removable, std::back_inserter(found.removable));
}

/// The lists of one module, in the order in which the kernel is given them.
void takeLast(std::vector<IdList*>& lists, Found& found) {
    std::ranges::stable_sort(lists, {}, &IdList::from);
    auto& last = *lists.back();
    for (auto* list : lists) {
        if (list == &last)
            continue;
        if (covered(*list, last)) {
            for (auto& claim : list->claims)
                found.claims.push_back(std::move(claim)); // for its place
            keepRemovable(*list, found);
            continue;
        }
        found.warnings.push_back(
            {list->place,
             fmt::format("this has had no effect: the last ids= counts, which is that of {}. No rule "
                         "is made of {}; remove both, or this one becomes the last",
                         last.place.str(), idsOf(*list))});
    }
    std::ranges::move(last.claims, std::back_inserter(found.claims));
    keepRemovable(last, found);
}

void settleIds(Found& found) {
    std::map<std::string, std::vector<IdList*>> byModule;
    for (auto& list : found.idLists)
        byModule[list.module].push_back(&list);
    for (auto& [module, lists] : byModule)
        takeLast(lists, found);
    found.idLists.clear();
}

void settleKeptOff(const ImportContext& context, Found& found) {
    if (found.keptOff.empty() || found.claims.empty())
        return;
    const NativeModules native(context, found.claims);
    for (auto& line : found.keptOff) {
        std::vector<std::string> ours;
        std::ranges::copy_if(line.modules, std::back_inserter(ours),
                             [&](const auto& m) { return native.has(m); });
        if (ours.empty())
            continue;
        if (ours.size() < line.modules.size()) {
            line.whole.what = fmt::format("{} in {}", fmt::join(ours, " and "), line.whole.what);
            line.whole.how = line.howForSome;
        }
        found.removable.push_back(std::move(line.whole));
    }
}

/// In order of place, each file or line once.
void sortRemovable(std::vector<Removable>& all) {
    std::ranges::stable_sort(all, {}, &Removable::place);
    const auto twice = std::ranges::unique(all, [](const Removable& a, const Removable& b) {
        return a.place == b.place && (a.place.line == 0 || a.what == b.what);
    });
    all.erase(twice.begin(), twice.end());
}

/// What two sources say of one line is said once.
void dropRepeated(std::vector<Warning>& warnings) {
    std::set<std::string> said;
    std::erase_if(warnings, [&](const Warning& warning) { return !said.insert(warning.str()).second; });
}

} // namespace

void settle(const ImportContext& context, Found& found) {
    settleIds(found);
    if (!found.claims.empty())
        std::ranges::move(found.company, std::back_inserter(found.removable));
    settleKeptOff(context, found);
    sortRemovable(found.removable);
    dropRepeated(found.warnings);
}

} // namespace vfiobind::ctl
