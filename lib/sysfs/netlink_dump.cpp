// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sysfs/netlink_dump.h"

#include "sysfs/real_sysfs.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <memory>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace vfiobind {
namespace {

class Socket {
public:
    Socket() : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}
    ~Socket() {
        if (fd_ >= 0)
            ::close(fd_);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

std::unexpected<SysError> failed(std::uint16_t request, int code) {
    return std::unexpected(SysError{"dump", fmt::format("rtnetlink request {}", request), code});
}

/// The first error, or 0.
int ask(int fd, std::uint16_t request, std::uint8_t family) {
    struct {
        nlmsghdr header;
        rtgenmsg body;
    } message{};
    message.header.nlmsg_len = NLMSG_LENGTH(sizeof(rtgenmsg));
    message.header.nlmsg_type = request;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.header.nlmsg_seq = 1;
    message.body.rtgen_family = family;
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        return errno;
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    const auto sent = ::sendto(fd, &message, message.header.nlmsg_len, 0,
                               reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    return sent < 0 ? errno : 0;
}

struct Received {
    int error = 0;
    bool ended = false;
    bool torn = false;
};

/// Takes the messages out of one datagram.
Received take(const char* data, std::size_t size, std::string& messages) {
    Received received;
    while (size >= sizeof(nlmsghdr)) {
        nlmsghdr header{};
        std::memcpy(&header, data, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > size) {
            received.error = EBADMSG;
            return received;
        }
        received.torn = received.torn || (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        const std::size_t length = std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), size);
        if (header.nlmsg_type == NLMSG_DONE) {
            received.ended = true;
            return received;
        }
        if (header.nlmsg_type == NLMSG_ERROR) {
            nlmsgerr error{};
            if (header.nlmsg_len >= NLMSG_LENGTH(sizeof error))
                std::memcpy(&error, data + NLMSG_HDRLEN, sizeof error);
            received.error = error.error != 0 ? -error.error : EBADMSG;
            return received;
        }
        messages.append(data, length);
        data += length;
        size -= length;
    }
    return received;
}

SysResult<std::string> dumpOnce(std::uint16_t request, std::uint8_t family) {
    const Socket socket;
    if (socket.get() < 0)
        return failed(request, errno);
    if (const int error = ask(socket.get(), request, family); error != 0)
        return failed(request, error);
    // The kernel fills at most 32 KiB into one datagram (netlink_dump in net/netlink/af_netlink.c).
    constexpr std::size_t room = 65536;
    const auto buffer = std::make_unique_for_overwrite<char[]>(room);
    std::string messages;
    bool torn = false;
    for (;;) {
        const auto got = ::recv(socket.get(), buffer.get(), room, MSG_TRUNC);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return failed(request, got < 0 ? errno : EBADMSG);
        if (static_cast<std::size_t>(got) > room)
            return failed(request, EMSGSIZE);
        const auto received = take(buffer.get(), static_cast<std::size_t>(got), messages);
        torn = torn || received.torn;
        if (received.error != 0)
            return failed(request, received.error);
        if (received.ended)
            break;
    }
    return torn ? SysResult<std::string>(failed(request, EINTR)) : messages;
}

} // namespace

SysResult<std::string> dumpFromKernel(std::uint16_t request, std::uint8_t family) {
    constexpr int mostTries = 5;
    auto answer = dumpOnce(request, family);
    for (int i = 1; i < mostTries && !answer && answer.error().code == EINTR; ++i)
        answer = dumpOnce(request, family);
    return answer;
}

SysResult<std::string> RealSysfs::netlinkDump(std::uint16_t request, std::uint8_t family) const {
    return root_.empty() ? dumpFromKernel(request, family) : Sysfs::netlinkDump(request, family);
}

} // namespace vfiobind
