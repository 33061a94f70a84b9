// SPDX-License-Identifier: LGPL-2.1-or-later
// Whole transactions, and what comes in between.
#include "twin/scenarios.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind::twin {

namespace {

void bindAndRelease(Script& s, const std::vector<std::string>& members, const Script::Options& options) {
    s.look(members);
    s.bindGroup(members.back(), options);
    s.look(members);
    s.bindGroup(members.front(), options);
    s.releaseGroup(members.front(), options);
    s.look(members);
    s.releaseGroup(members.back(), options);
}

Script::Options natives(const Script& s, const std::vector<std::string>& members) {
    Script::Options options;
    for (const auto& address : members)
        options.native[address] = s.driverOf(address);
    return options;
}

/// The same transaction, cut off before each of its writes in turn (case 38).
void cutOffBinds(Script& s, Method method) {
    const auto& r = s.roles;
    for (std::size_t at = 0; at < 9; ++at) {
        s.say(fmt::format("-- cut off before write {}", at));
        s.bindGroup(r.display, {.method = method, .cutOffAt = at});
        s.look({r.display, r.audio});
        s.releaseGroup(r.display);
    }
}

void cutOffReleases(Script& s) {
    const auto& r = s.roles;
    for (std::size_t at = 0; at < 7; ++at) {
        s.say(fmt::format("-- cut off before write {}", at));
        s.bindGroup(r.display);
        s.releaseGroup(r.display, {.cutOffAt = at});
        s.look({r.display, r.audio});
    }
    s.releaseGroup(r.display);
}

/// case 28
void bindOverForeignOverride(Script& s) {
    const auto& r = s.roles;
    s.setOverride(r.audio, "none");
    s.bindGroup(r.display);
    s.look({r.display, r.audio});
    s.bindGroup(r.display, {.allow = {"foreign-driver-override"}});
    s.look({r.display, r.audio});
    s.releaseGroup(r.display);
    s.look({r.display, r.audio});
}

/// Another program writes to the group's files before each write in turn (case 32).
void interrupted(Script& s, const std::function<void()>& act, const std::function<void()>& afterwards) {
    const auto& r = s.roles;
    for (std::size_t at = 0; at < 6; ++at) {
        s.say(fmt::format("-- before write {}", at));
        s.bindGroup(r.display, {.interruptAt = at, .interruption = act});
        s.look({r.display, r.audio});
        afterwards();
        s.releaseGroup(r.display);
    }
}

void overriddenMeanwhile(Script& s) {
    const auto& audio = s.roles.audio;
    interrupted(s, [&] { s.setOverride(audio, "none"); }, [&] { s.setOverride(audio, "\n"); });
}

void clearedMeanwhile(Script& s) {
    const auto& audio = s.roles.audio;
    interrupted(s, [&] { s.setOverride(audio, "\n"); }, [] {});
}

void probedMeanwhile(Script& s) {
    const auto& audio = s.roles.audio;
    interrupted(s, [&] { s.probe(audio); }, [] {});
}

/// case 45
void takenBackMeanwhile(Script& s) {
    const auto& r = s.roles;
    interrupted(s, [&] { s.toNative(r.audio); }, [&] { s.toNative(r.audio); });
}

/// case 41
void removedMeanwhile(Script& s) {
    const auto& r = s.roles;
    interrupted(
        s, [&] { s.remove(r.audio); },
        [&] {
            s.rescan();
            s.look({r.display, r.audio});
        });
}

void removedDuringRelease(Script& s) {
    const auto& r = s.roles;
    for (std::size_t at = 0; at < 6; ++at) {
        s.say(fmt::format("-- before write {}", at));
        s.bindGroup(r.display);
        s.releaseGroup(r.display, {.interruptAt = at, .interruption = [&] { s.remove(r.display); }});
        s.look({r.display, r.audio});
        s.rescan();
        s.releaseGroup(r.audio);
        s.look({r.display, r.audio});
    }
    s.remove(r.audio); // alone on its bus as it is found, the first function's reset_method is as it was
    s.remove(r.display);
    s.rescan();
}

void halfBound(Script& s) {
    const auto& r = s.roles;
    s.toVfio(r.audio);
    s.bindGroup(r.display);
    s.look({r.display, r.audio});
    s.toNative(r.display);
    s.releaseGroup(r.display);
    s.look({r.display, r.audio});
    s.setOverride(r.audio, "vfio-pci");
    s.releaseGroup(r.display);
    s.look({r.display, r.audio});
}

/// case 59
void twinsByNewId(Script& s) {
    const auto& r = s.roles;
    const Script::Options byId{.method = Method::newId};
    s.bindGroup(r.twinA, byId);
    s.look({r.twinA, r.twinB});
    s.bindGroup(r.twinB, byId);
    s.look({r.twinA, r.twinB});
    s.releaseGroup(r.twinA);
    s.releaseGroup(r.twinB);
    s.unbind(r.twinB);
    s.bindGroup(r.twinA, byId);
    s.look({r.twinA, r.twinB});
    s.probe(r.twinB);
    s.releaseGroup(r.twinA);
    s.look({r.twinA, r.twinB});
}

void knownIdAndNewId(Script& s) {
    const auto& r = s.roles;
    const auto ids = s.idsOf(r.twinA);
    s.newId("vfio-pci", ids);
    s.bindGroup(r.twinA, {.method = Method::newId});
    s.look({r.twinA, r.twinB});
    s.releaseGroup(r.twinA);
    s.removeId("vfio-pci", ids);
    s.look({r.twinA, r.twinB});
    s.setOverride(r.twinB, "none");
    s.bindGroup(r.twinB, {.method = Method::newId, .allow = {"foreign-driver-override"}});
    s.look({r.twinA, r.twinB});
    s.setOverride(r.twinB, "\n");
}

/// case 26, 51
void virtualFunctions(Script& s) {
    const auto& r = s.roles;
    s.vfAutoprobe("0");
    s.numVfs("2");
    s.bindGroup(r.vf0);
    s.bindGroup(r.vf1, {.method = Method::newId});
    s.look({r.vf0, r.vf1});
    s.bindGroup(r.pf);
    s.releaseGroup(r.vf0);
    s.look(r.vf0);
    s.releaseGroup(r.vf0, {.driverless = {r.vf0}});
    s.look(r.vf0);
    s.numVfs("0");
    s.vfAutoprobe("1");
}

/// case 27
void shrunkMeanwhile(Script& s) {
    const auto& r = s.roles;
    s.vfAutoprobe("0");
    for (std::size_t at = 0; at < 2; ++at) {
        s.numVfs("2");
        s.bindGroup(r.vf0, {.interruptAt = at, .interruption = [&] { s.numVfs("0"); }});
        s.look({r.pf, r.vf0, r.vf1});
    }
    s.numVfs("2");
    s.bindGroup(r.vf0);
    s.releaseGroup(r.vf0, {.driverless = {r.vf0}, .interruptAt = 1, .interruption = [&] { s.numVfs("0"); }});
    s.vfAutoprobe("1");
}

void hopeless(Script& s) {
    const auto& r = s.roles;
    s.bindGroup(r.twinA, {.driver = "no-such-driver"});
    s.bindGroup(r.twinA, {.driver = "pcieport"}); // registered, and it refuses
    s.look(r.twinA);
    s.bindGroup(r.hostBridge);
    s.bindGroup(r.rootPort);
    s.releaseGroup(r.twinA);
    s.setOverride(r.twinA, "vfio-pci");
    s.setOverride(r.twinA, "vfio-pci");
    s.releaseGroup(r.twinA);
    s.look(r.twinA);
}

/// A release whose native driver is not to be had by name.
void releaseToWrong(Script& s) {
    const auto& r = s.roles;
    s.bindGroup(r.twinA);
    s.releaseGroup(r.twinA, {.native = {{r.twinA, "pcieport"}}});
    s.look(r.twinA);
    s.releaseGroup(r.twinA, {.native = {{r.twinA, "no-such-driver"}}});
    s.look(r.twinA);
}

} // namespace

std::vector<Play> transactionScenarios() {
    const auto card = [](const Roles& r) { return std::vector{r.display, r.audio}; };
    const auto pair = [](const Roles& r) { return std::vector{r.nicA, r.nicB}; };
    return {
        {"bind and release a card, the kernel chooses the drivers",
         [=](Script& s) { bindAndRelease(s, card(s.roles), {}); }},
        {"bind and release a card, to the drivers that it had",
         [=](Script& s) { bindAndRelease(s, card(s.roles), natives(s, card(s.roles))); }},
        {"bind and release a card by new_id",
         [=](Script& s) { bindAndRelease(s, card(s.roles), {.method = Method::newId}); }},
        {"bind and release two NICs behind a bridge (case 2)",
         [=](Script& s) { bindAndRelease(s, pair(s.roles), {}); }},
        {"bind and release two equal NICs of a group by new_id",
         [=](Script& s) { bindAndRelease(s, pair(s.roles), {.method = Method::newId}); }},
        {"bind and release a PF", [](Script& s) { bindAndRelease(s, {s.roles.pf}, {}); }},
        {"bind one twin by new_id (case 59)", twinsByNewId},
        {"new_id of an id that is known, and under an override", knownIdAndNewId},
        {"bind over a foreign override (case 28)", bindOverForeignOverride},
        {"bind and release what is half done (case 16)", halfBound},
        {"none is written meanwhile (case 32)", overriddenMeanwhile},
        {"the override is cleared meanwhile", clearedMeanwhile},
        {"somebody probes meanwhile", probedMeanwhile},
        {"somebody gives a member back meanwhile (case 45)", takenBackMeanwhile},
        {"a member is removed meanwhile (case 41)", removedMeanwhile},
        {"a member is removed during the release (case 41)", removedDuringRelease},
        {"VFs in a transaction (case 26)", virtualFunctions},
        {"VFs vanish in a transaction (case 27)", shrunkMeanwhile},
        {"what cannot go well", hopeless},
        {"release to a wrong driver", releaseToWrong},
        {"bind cut off before each write, and recovered (case 38)",
         [](Script& s) { cutOffBinds(s, Method::driverOverride); }},
        {"bind by new_id cut off before each write, and recovered (case 38)",
         [](Script& s) { cutOffBinds(s, Method::newId); }},
        {"release cut off before each write, and recovered (case 38)", cutOffReleases},
    };
}

std::vector<Play> allScenarios() {
    std::vector<Play> all;
    for (auto* part :
         {fileScenarios, bindScenarios, idScenarios, sriovScenarios, hotplugScenarios, transactionScenarios})
        for (auto& play : part())
            all.push_back(std::move(play));
    std::ranges::stable_partition(all, [](const Play& play) { return !play.wrecks; });
    return all;
}

} // namespace vfiobind::twin
