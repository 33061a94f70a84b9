// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/publish_files.h"

#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"

#include <cerrno>
#include <unistd.h>

namespace vfiobind {
namespace {

constexpr unsigned forAllToRead = 0644;
constexpr std::size_t mostText = 16 << 20;

std::string besideName(const std::string& path) {
    const auto name = path.rfind('/') + 1;
    return path.substr(0, name) + '.' + path.substr(name) + ".new";
}

} // namespace

SysResult<void> PublishFiles::bringOne(const std::string& path, const std::string& text) const {
    const auto whole = root_ + path;
    const auto now = RealSysfs(root_).read(path, mostText);
    // read() keeps the last newline out.
    if (now && *now + '\n' == text)
        return {};
    if (!text.empty())
        return writeFileAtomically(whole, text, forAllToRead, besideName(whole));
    if (unlink(whole.c_str()) != 0 && errno != ENOENT)
        return std::unexpected(SysError{"unlink", whole, errno});
    return {};
}

std::vector<std::string> PublishFiles::bring(const PublishOptions& options, const PublishState& state) {
    std::vector<std::string> sentences;
    for (const auto& publisher : publishers) {
        auto text = options.*publisher.wanted ? publisher.make(state) : std::string{};
        const auto before = there_.find(publisher.path);
        if (before != there_.end() && before->second == text)
            continue;
        const auto done = bringOne(std::string(publisher.path), text);
        if (done) {
            there_.insert_or_assign(publisher.path, std::move(text));
            continue;
        }
        there_.erase(publisher.path);
        sentences.push_back(std::string(publisher.path) +
                            " does not tell how it stands: " + done.error().str());
    }
    return sentences;
}

} // namespace vfiobind
