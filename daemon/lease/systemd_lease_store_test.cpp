// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/systemd_lease_store.h"

#include "lease/lease_pipe.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace vfiobind::systemd_lease_store_test {
namespace {

/// systemd's end of $NOTIFY_SOCKET.
class Manager {
public:
    struct Message {
        std::string text;
        std::optional<Descriptor> descriptor;
    };
    Manager() : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        std::string pattern = (std::filesystem::temp_directory_path() / "notify-XXXXXX").string();
        folder_ = mkdtemp(pattern.data());
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        const auto path = folder_ + "/socket";
        std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;
    ~Manager() {
        unsetenv("NOTIFY_SOCKET");
        std::filesystem::remove_all(folder_);
    }

    /// What was sent already; empty where nothing was.
    Message receive() const {
        std::array<char, 4096> text{};
        alignas(cmsghdr) std::array<char, 256> control{};
        iovec part{.iov_base = text.data(), .iov_len = text.size()};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const auto size = recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0)
            return {};
        Message message{.text = {text.data(), static_cast<std::size_t>(size)}, .descriptor = {}};
        for (auto* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
            if (each->cmsg_type != SCM_RIGHTS)
                continue;
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(each), sizeof(fd));
            message.descriptor.emplace(fd);
        }
        return message;
    }

private:
    Descriptor socket_;
    std::string folder_;
};

TEST(SystemdLeaseStore, AnswersWhenSystemdHasIt) {
    const Manager manager;
    EventLoop loop;
    SystemdLeaseStore store(loop);
    const auto lease = makeLeasePipe().value();
    bool kept = false;
    store.keep(lease.inode, lease.daemons.get(), [&kept] { kept = true; });

    const auto stored = manager.receive();
    EXPECT_EQ(stored.text, fmt::format("FDSTORE=1\nFDNAME=lease-{}", lease.inode));
    ASSERT_TRUE(stored.descriptor);
    EXPECT_EQ(pipeInode(stored.descriptor->get()), lease.inode);

    auto barrier = manager.receive();
    EXPECT_EQ(barrier.text, "BARRIER=1");
    ASSERT_TRUE(barrier.descriptor);
    ASSERT_GE(sd_event_run(loop.raw(), 0), 0);
    EXPECT_FALSE(kept);
    barrier.descriptor.reset();
    while (!kept)
        ASSERT_GT(sd_event_run(loop.raw(), 10'000'000), 0) << "the barrier is passed and not seen";

    store.drop(lease.inode);
    EXPECT_EQ(manager.receive().text, fmt::format("FDSTOREREMOVE=1\nFDNAME=lease-{}", lease.inode));
}

TEST(SystemdLeaseStore, WithoutAServiceManagerNothingIsWaitedFor) {
    EventLoop loop;
    SystemdLeaseStore store(loop);
    const auto lease = makeLeasePipe().value();
    bool kept = false;
    store.keep(lease.inode, lease.daemons.get(), [&kept] { kept = true; });
    EXPECT_TRUE(kept);
    store.drop(lease.inode);
    EXPECT_TRUE(store.takeKept().empty());
}

} // namespace
} // namespace vfiobind::systemd_lease_store_test
