// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/host_facts.h"

#include "config/virtualization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace vfiobind::host_facts_test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class HostFactsFiles : public testing::Test {
protected:
    HostFactsFiles() {
        std::string name = (fs::temp_directory_path() / "vfio-bind-facts-XXXXXX").string();
        if (!::mkdtemp(name.data()))
            throw std::system_error(errno, std::generic_category(), name);
        root = name;
    }
    ~HostFactsFiles() override { fs::remove_all(root); }
    void put(const std::string& path, const std::string& content) const {
        fs::create_directories(fs::path(root + path).parent_path());
        std::ofstream(root + path) << content;
    }
    std::string root;
};

TEST_F(HostFactsFiles, AreThoseOfTheRoot) {
    put("/etc/hostname", "# of the administrator\n\n  node7 \n");
    put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    put("/sys/class/dmi/id/board_name", "X570 AORUS\n");
    put("/sys/class/dmi/id/product_name", "System Product Name\n");
    put("/proc/cmdline", "root=/dev/vda1 quiet \"vfio.note=a b\" vfio_bind=off\n");
    const auto facts = readHostFacts(root);
    EXPECT_EQ(facts.host, "node7");
    EXPECT_EQ(facts.machineId, "0123456789abcdef0123456789abcdef");
    EXPECT_EQ(facts.board, "X570 AORUS");
    EXPECT_EQ(facts.product, "System Product Name");
    EXPECT_EQ(facts.virtualization, std::nullopt) << "of another machine it is not known";
    EXPECT_THAT(facts.commandLine, ElementsAre("root=/dev/vda1", "quiet", "vfio.note=a b", "vfio_bind=off"));
    EXPECT_EQ(facts.standsBack(), "vfio_bind=off");
}

TEST_F(HostFactsFiles, WhatIsNotThereIsNotKnown) {
    put("/etc/hostname", "\n# nothing\n");
    const auto facts = readHostFacts(root);
    EXPECT_EQ(facts, HostFacts{});
}

TEST_F(HostFactsFiles, AnInitramfsHasWhatItsBuilderTookAlong) {
    put("/etc/hostname", "(none)\n");
    put("/etc/machine-id", "ffffffffffffffffffffffffffffffff\n");
    EXPECT_EQ(readHostFacts(root, true).host, std::nullopt);
    put("/usr/lib/vfio-bind/host/hostname", "node7\n");
    const auto facts = readHostFacts(root, true);
    EXPECT_EQ(facts.host, "node7");
    EXPECT_EQ(facts.machineId, std::nullopt);
}

TEST_F(HostFactsFiles, ABoardWithoutDmiIsKnownByItsDeviceTree) {
    put("/proc/device-tree/model", std::string("Raspberry Pi 5\0", 15));
    EXPECT_EQ(readHostFacts(root).product, "Raspberry Pi 5");
}

TEST(HostFacts, TheLastWordSaysWhetherAllStandsBack) {
    const auto standsBack = [](std::vector<std::string> words, bool inInitramfs = false) {
        return HostFacts{.commandLine = std::move(words), .inInitramfs = inInitramfs}.standsBack();
    };
    EXPECT_EQ(standsBack({"quiet"}), "");
    EXPECT_EQ(standsBack({"vfio_bind=0"}), "vfio_bind=0");
    EXPECT_EQ(standsBack({"vfio_bind=off", "vfio_bind=on"}), "");
    EXPECT_EQ(standsBack({"vfio_bind", "xvfio_bind=off", "vfio_bind=offline"}), "");
    EXPECT_EQ(standsBack({"rd.vfio_bind=off"}), "");
    EXPECT_EQ(standsBack({"rd.vfio_bind=off"}, true), "rd.vfio_bind=off");
    EXPECT_EQ(standsBack({"vfio_bind=no"}, true), "vfio_bind=no");
}

TEST(HostFacts, QuotesKeepBlanksInAWord) {
    EXPECT_THAT(commandLineWords(" a  \"b c\"=d\te=\"\" \n"), ElementsAre("a", "b c=d", "e="));
    EXPECT_THAT(commandLineWords("\"\""), ElementsAre(""));
    EXPECT_THAT(commandLineWords(" \n"), IsEmpty());
}

TEST(Virtualization, IsToldInTheWordsOfSystemd) {
    EXPECT_EQ(virtualizationOfDmi("QEMU\n"), "qemu");
    EXPECT_EQ(virtualizationOfDmi("VMware, Inc."), "vmware");
    EXPECT_EQ(virtualizationOfDmi("To Be Filled By O.E.M."), "");
    EXPECT_EQ(virtualizationOfCpuid("KVMKVMKVM"), "kvm");
    EXPECT_EQ(virtualizationOfCpuid("Microsoft Hv"), "microsoft");
    EXPECT_EQ(virtualizationOfCpuid(""), "");
    EXPECT_FALSE(detectVirtualization().empty());
}

} // namespace
} // namespace vfiobind::host_facts_test
