// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/own_place.h"

#include "pci/text.h"
#include "text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <systemd/sd-login.h>

namespace vfiobind::ctl {
namespace {

/// Takes what libsystemd has allocated.
std::string taken(char* text) {
    const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
    return text != nullptr ? text : "";
}

/// The process's own session, or its user's graphical one: a desktop's terminal is a service of the user's
/// and in no session.
std::string ownSession() {
    char* session = nullptr;
    if (sd_pid_get_session(0, &session) >= 0)
        return taken(session);
    uid_t user = 0;
    if (sd_pid_get_owner_uid(0, &user) >= 0 && sd_uid_get_display(user, &session) >= 0)
        return taken(session);
    return {};
}

std::string displayManager() {
    std::error_code none;
    const auto target = std::filesystem::read_symlink("/etc/systemd/system/display-manager.service", none);
    return none ? std::string{} : target.filename().string();
}

/// `gdm` for `gdm3.service`.
std::string_view stemOf(std::string_view unit) {
    auto stem = unit.substr(0, unit.rfind('.'));
    while (!stem.empty() && std::isdigit(static_cast<unsigned char>(stem.back())) != 0)
        stem.remove_suffix(1);
    return stem;
}

bool isIn(std::string_view controlGroup, std::string_view unit) {
    const auto parts = split(controlGroup, '/');
    return std::ranges::find(parts, unit) != parts.end();
}

bool hasSession(const OwnPlace& place, const std::string& unit) {
    constexpr std::array<std::string_view, 3> graphical{"x11", "wayland", "mir"};
    if (std::ranges::find(graphical, place.sessionType) == graphical.end())
        return false;
    const auto stem = stemOf(unit);
    return unit == "display-manager.service" || unit == place.displayManager ||
           place.sessionService == stem || place.sessionService.starts_with(fmt::format("{}-", stem));
}

/// In quotes only where a shell needs them: people read it.
std::string quoted(const std::string& word) {
    constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:=,@%+";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos)
        return word;
    return shellWord(word);
}

} // namespace

OwnPlace ownPlace() {
    OwnPlace place{
        .controlGroup = {}, .sessionType = {}, .sessionService = {}, .displayManager = displayManager()};
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);)
        if (line.starts_with("0::"))
            place.controlGroup = line.substr(3);
    const auto session = ownSession();
    if (session.empty())
        return place;
    char* text = nullptr;
    if (sd_session_get_type(session.c_str(), &text) >= 0)
        place.sessionType = taken(text);
    if (sd_session_get_service(session.c_str(), &text) >= 0)
        place.sessionService = taken(text);
    return place;
}

std::optional<std::string> endsWithIt(const OwnPlace& place, const std::vector<std::string>& units) {
    const auto found = std::ranges::find_if(units, [&](const std::string& unit) {
        return isIn(place.controlGroup, unit) || hasSession(place, unit);
    });
    return found == units.end() ? std::nullopt : std::optional(*found);
}

std::string endingSentence(const std::string& unit, const std::vector<std::string>& command, unsigned uid) {
    std::string same = "systemd-run --collect --same-dir";
    if (uid != 0)
        same += fmt::format(" --uid={}", uid);
    for (const auto& word : command)
        same += ' ' + quoted(word);
    return fmt::format(
        "{} is stopped for this, and what was started in it or in its session ends, this command and its "
        "lease, too. The same as a unit of its own goes on:\n{}",
        unit, same);
}

std::vector<std::string> ownCommandLine() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::string> words;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\0', at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

} // namespace vfiobind::ctl
