// SPDX-License-Identifier: LGPL-2.1-or-later
#include "twin/recorder.h"

#include <fmt/format.h>
#include <sstream>

namespace vfiobind::twin {

std::string escaped(std::string_view data) {
    constexpr std::size_t longest = 200;
    std::string text;
    for (const char c : data.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n')
            text += "\\n";
        else if (byte < 0x20 || byte >= 0x7f)
            text += fmt::format("\\x{:02x}", byte);
        else
            text += c;
    }
    if (data.size() > longest)
        text += fmt::format("... ({} bytes)", data.size());
    return text;
}

std::string writeLine(const std::string& path, std::string_view data, const SysResult<void>& result) {
    return fmt::format("write {} <- \"{}\": {}", path, escaped(data),
                       result ? "ok" : errnoName(result.error().code));
}

std::vector<std::string> linesOf(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

SysResult<void> Recorder::write(const std::string& path, std::string_view data) {
    const auto number = count_++;
    if (number == cutOffAt) {
        flush();
        throw CutOff{};
    }
    if (number == interruptAt && interruption) {
        flush();
        say_("meanwhile:");
        interruption();
        say_("end of meanwhile");
    }
    auto result = sysfs_.write(path, data);
    const auto line = writeLine(path, data, result);
    if (line != line_)
        flush();
    line_ = line;
    ++times_;
    return result;
}

void Recorder::flush() {
    if (times_ > 0)
        say_(times_ > 1 ? fmt::format("{} ({} times)", line_, times_) : line_);
    times_ = 0;
    line_.clear();
}

} // namespace vfiobind::twin
