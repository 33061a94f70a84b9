// SPDX-License-Identifier: LGPL-2.1-or-later
#include "show/warnings.h"

#include "rules/initramfs.h"
#include "rules/module_options.h"
#include "sysfs/real_sysfs.h"
#include "transaction/journal.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

constexpr auto untilLookedAgain = std::chrono::seconds(60);

/// case 60. An initramfs matters if a rule wants something at the start, or if the image has bound something.
void lookAtInitramfs(const Sysfs& sysfs, const Intent& intent, const std::string& stateDirectory,
                     std::vector<std::string>& found) {
    const bool started = changeTime(stateDirectory + std::string(ranInInitramfs)).has_value();
    const auto isForTheStart = [](const Rule& rule) { return rule.when == When::always; };
    if (!started && std::ranges::none_of(intent.policy().rules, isForTheStart))
        return;
    const auto image = initramfsOf(sysfs, configFiles(intent.configFile()), changeTime, started);
    if (image && !image->newerFile.empty())
        found.push_back(fmt::format("{} is older than {}: the next boot begins with what the configuration "
                                    "was then; run {}",
                                    image->path, image->newerFile, image->command));
}

void lookAtJournals(const std::string& directory, std::vector<std::string>& found) {
    const auto names = RealSysfs().list(directory);
    for (const auto& name : names.value_or(std::vector<std::string>{}))
        if (name.ends_with(unreadableJournal))
            found.push_back(fmt::format("the journal of a transaction cannot be read and is kept as {}/{}: "
                                        "see to its group by hand and remove the file",
                                        directory, name));
}

void lookAtPolicy(const Intent& intent, std::vector<std::string>& found) {
    if (const auto& word = intent.policy().standsBack; !word.empty())
        found.push_back(fmt::format("no rule is in force: the kernel command line says {}", word));
    for (const auto& sentence : intent.resolution().moved)
        found.push_back(sentence);
}

} // namespace

void Warnings::look() {
    auto now = otherOptionsInForce(machine_.sysfs(), intent_.policy().modules);
    lookAtInitramfs(machine_.sysfs(), intent_, stateDirectory_, now);
    moved_ = intent_.resolution().moved;
    lookAtPolicy(intent_, now);
    if (!stateDirectory_.empty())
        lookAtJournals(stateDirectory_ + "/journal", now);
    now.insert(now.end(), others_.begin(), others_.end());
    again_ = now.empty() ? EventSource{} : loop_.timer(untilLookedAgain, [this] { look(); });
    if (now == now_)
        return;
    for (const auto& warning : now)
        if (std::ranges::find(now_, warning) == now_.end())
            spdlog::warn("{}", warning);
    now_ = std::move(now);
    changes_.manager();
}

bool Warnings::noteOthers(const std::vector<std::string>& sentences) {
    if (sentences == others_)
        return false;
    others_ = sentences;
    look();
    return true;
}

} // namespace vfiobind
