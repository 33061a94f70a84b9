// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/read_file.h"

#include "sysfs/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace vfiobind {

std::expected<std::string, int> readWholeFile(const std::string& path) {
    // O_NONBLOCK, so that a FIFO put there by mistake does not keep the daemon from starting.
    const Descriptor file(path, O_RDONLY | O_NONBLOCK);
    if (file.get() < 0)
        return std::unexpected(errno);
    std::string content;
    std::array<char, 4096> chunk;
    for (;;) {
        const ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return std::unexpected(errno);
        if (got == 0)
            return content;
        content.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

} // namespace vfiobind
