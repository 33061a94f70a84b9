// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/display.h"

#include "fake/machine.h"
#include "guard/guard.h"
#include "host_sysfs.h"

namespace vfiobind::display_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string place = "pci0000:00/0000:00:01.0/0000:01:00.0";
const std::string soundPlace = "pci0000:00/0000:00:01.0/0000:01:00.1";

/// The card of group 1, which is not the boot display here, with a DRM driver on it.
FakeKernel withCard() {
    FakeKernel kernel;
    kernel.addVfioPci();
    kernel.addRootPort("0000:00:01.0", 0, 1);
    kernel.addDevice({.address = gpu, .ids = "10de:1284", .classCode = 0x030000, .group = 1});
    kernel.addDevice({.address = audio, .ids = "10de:0e0f", .classCode = 0x040300, .group = 1});
    kernel.addNode({place + "/drm/card1", "drm", "226:1", "dri/card1"});
    kernel.addNode({place + "/drm/renderD129", "drm", "226:129", "dri/renderD129"});
    kernel.putFile("/sys/class/drm/version", "drm 1.1.0\n");
    kernel.putFile("/sys/devices/" + place + "/drm/card1/card1-HDMI-A-1/enabled", "disabled\n");
    kernel.putLink("/sys/class/drm/card1-HDMI-A-1", "../../devices/" + place + "/drm/card1/card1-HDMI-A-1");
    kernel.putDirectory("/sys/devices/" + soundPlace + "/sound/card1");
    kernel.putLink("/sys/class/sound/card1", "../../devices/" + soundPlace + "/sound/card1");
    kernel.addNode({soundPlace + "/sound/card1/controlC1", "sound", "116:8", "snd/controlC1"});
    kernel.addNode({soundPlace + "/sound/card1/pcmC1D3p", "sound", "116:9", "snd/pcmC1D3p"});
    kernel.addNode({soundPlace + "/sound/card1/hwC1D0", "sound", "116:10", "snd/hwC1D0"});
    kernel.putFile("/proc/asound/card1/pcm3p/sub0/status", "closed\n");
    return kernel;
}

void open(FakeKernel& kernel, int pid, const std::string& program, const std::string& number) {
    kernel.openNode({.pid = pid, .program = program, .number = number});
}

void putConsole(FakeKernel& kernel, const std::string& framebuffer, const std::string& on = place) {
    kernel.putLink("/sys/class/graphics/" + framebuffer, "../../devices/" + on + "/graphics/" + framebuffer);
    kernel.putFile("/sys/class/vtconsole/vtcon0/name", "(S) dummy device\n");
    kernel.putFile("/sys/class/vtconsole/vtcon0/bind", "0\n");
    kernel.putFile("/sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n");
    kernel.putFile("/sys/class/vtconsole/vtcon1/bind", "1\n");
    kernel.putFile("/proc/consoles", "ttyS0                -W- (EC p a)    4:64\n");
}

std::vector<std::string> sentences(const Sysfs& sysfs) {
    std::vector<std::string> list;
    for (const auto& blocker : inspect(sysfs, Topology::read(sysfs).value(), 1, Action::bind).blockers)
        list.push_back(blocker.str());
    return list;
}

// case 9
TEST(Display, ACardThatNobodyHasOpenIsFree) {
    auto kernel = withCard();
    open(kernel, 812, "cage", "226:0"); // the other card's
    open(kernel, 813, "wireplumber", "116:2");
    EXPECT_THAT(sentences(kernel), IsEmpty());
}

// case 9
TEST(Display, WhoHasTheCardOpenIsNamed) {
    auto kernel = withCard();
    open(kernel, 812, "cage", "226:1");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("display-in-use: cage (pid 812) has /dev/dri/card1 open, which is of "
                            "0000:01:00.0; end it first"));
    auto render = withCard();
    open(render, 900, "ollama", "226:129");
    EXPECT_THAT(sentences(render), ElementsAre(HasSubstr("ollama (pid 900) has /dev/dri/renderD129 open")));
}

// The kernel counts who has a node of the driver's open.
TEST(Display, NobodyIsSearchedForWhereTheDriverCountsNoOpenNode) {
    auto kernel = withCard();
    kernel.addDriver({.name = "bochs", .module = "bochs", .ids = {"::03"}});
    ASSERT_EQ(bindTo(kernel, "bochs", gpu), 0);
    kernel.putLink("/sys/bus/pci/drivers/bochs/module", "../../../../module/bochs");
    kernel.putFile("/sys/module/bochs/refcnt", "0\n");
    HostSysfs host(kernel);
    host.errors["/proc"] = EACCES;
    const auto found = [&] {
        std::vector<std::string> codes;
        for (const auto& blocker : inspect(host, Topology::read(host).value(), 1, Action::bind).blockers)
            if (blocker.device == Address::parse(gpu))
                codes.push_back(blocker.code);
        return codes;
    };
    EXPECT_THAT(found(), IsEmpty());
    kernel.putFile("/sys/module/bochs/refcnt", "1\n");
    EXPECT_THAT(found(), ElementsAre("display-in-use"));
    kernel.putFile("/sys/module/bochs/refcnt", "0\n");
    kernel.addNode({place + "/virtio0/drm/card2", "drm", "226:2", "dri/card2"});
    EXPECT_THAT(found(), ElementsAre("display-in-use")) << "made by another driver than the function's";
    kernel.dropPath("/sys/class/drm/card2");
    kernel.dropPath("/sys/dev/char/226:2");
    EXPECT_THAT(found(), IsEmpty());
    // In newer kernels a virtio card's node is the PCI function's, and counts for virtio_gpu.
    kernel.putLink("/sys/bus/pci/drivers/bochs/module", "../../../../module/virtio_pci");
    kernel.putFile("/sys/module/virtio_pci/refcnt", "0\n");
    EXPECT_THAT(found(), ElementsAre("display-in-use"));
}

TEST(Display, TheNodeOfNvidiasDriverIsKnown) {
    auto kernel = withCard();
    kernel.putFile("/proc/driver/nvidia/gpus/0000:01:00.0/information",
                   "Model: \t\t X\nDevice Minor: \t 1\n");
    open(kernel, 700, "nvidia-persiste", "195:0");
    EXPECT_THAT(sentences(kernel), IsEmpty());
    open(kernel, 701, "python3", "195:1");
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("python3 (pid 701) has /dev/nvidia1 open")));
}

TEST(Display, AnOutputThatShowsAPictureIsInUse) {
    auto kernel = withCard();
    kernel.putFile("/sys/class/drm/card1-HDMI-A-1/enabled", "enabled\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("display-in-use: card1-HDMI-A-1 of 0000:01:00.0 shows a picture; switch "
                            "that output off first"));
}

// case 9
TEST(Console, TheTerminalsAreMissedWhereSomebodyUsesThem) {
    auto kernel = withCard();
    putConsole(kernel, "fb0");
    kernel.putFile("/sys/class/drm/card1-HDMI-A-1/enabled", "enabled\n");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "a picture of terminals that nobody has open";
    kernel.putFile("/proc/consoles", "tty0                 -WU (EC  p  )    4:1\nttyS0 -W- (EC a) 4:64\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("console: 0000:01:00.0 shows the console (fb0), which is used by the "
                            "kernel (console=tty0)"));
    kernel.putFile("/proc/consoles", "ttyS0 -W- (EC a) 4:64\n");
    open(kernel, 268, "systemd-logind", "4:6"); // reserved, not used
    EXPECT_THAT(sentences(kernel), IsEmpty());
    open(kernel, 433, "agetty", "4:1");
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre("console: 0000:01:00.0 shows the console (fb0), which is used by agetty (pid 433)"));
}

// case 9
TEST(Console, AnotherCardsFramebufferIsNotTheConsoles) {
    auto kernel = withCard();
    putConsole(kernel, "fb1"); // ours
    putConsole(kernel, "fb0", "pci0000:00/0000:00:02.0");
    open(kernel, 433, "agetty", "4:1");
    EXPECT_THAT(sentences(kernel), IsEmpty());
    kernel.putFile("/sys/class/vtconsole/vtcon1/bind", "0\n");
    putConsole(kernel, "fb0");
    kernel.putFile("/sys/class/vtconsole/vtcon1/bind", "0\n");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "let go of by writing 0 to bind";
}

std::vector<std::string> toLetGoOf(const Sysfs& sysfs) {
    return consolesOn(sysfs, {{.bus = 1}, {.bus = 1, .function = 1}}).value();
}

TEST(Console, IsLetGoOfWhereNoOtherCardCanShowIt) {
    auto kernel = withCard();
    EXPECT_THAT(toLetGoOf(kernel), IsEmpty());
    putConsole(kernel, "fb0");
    EXPECT_THAT(toLetGoOf(kernel), ElementsAre("vtcon1"));
    kernel.putFile("/sys/class/vtconsole/vtcon1/bind", "0\n");
    EXPECT_THAT(toLetGoOf(kernel), IsEmpty());
    putConsole(kernel, "fb0");
    kernel.putLink("/sys/class/graphics/fb1", "../../devices/pci0000:00/0000:00:02.0/graphics/fb1");
    EXPECT_THAT(toLetGoOf(kernel), IsEmpty()) << "the kernel moves the terminals to the other card";
}

TEST(Console, TextModeIsOnTheBootDisplay) {
    auto kernel = machine();
    kernel.putFile("/sys/class/vtconsole/vtcon0/name", "(S) VGA+\n");
    kernel.putFile("/sys/class/vtconsole/vtcon0/bind", "1\n");
    open(kernel, 433, "agetty", "4:1");
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre(HasSubstr("boot-display: "),
                    "console: 0000:01:00.0 shows the console (VGA+), which is used by agetty (pid 433)"));
    EXPECT_THAT(toLetGoOf(kernel), IsEmpty()) << "the kernel cannot take the terminals from a system console";
}

TEST(Console, ASerialPortThatTheKernelWritesToIsOne) {
    auto kernel = withCard();
    kernel.putDirectory("/sys/devices/" + soundPlace + "/tty/ttyS4");
    kernel.putLink("/sys/class/tty/ttyS4", "../../devices/" + soundPlace + "/tty/ttyS4");
    kernel.putFile("/proc/consoles", "ttyS40               -W- (EC p a)    4:68\n");
    EXPECT_THAT(sentences(kernel), IsEmpty());
    kernel.putFile("/proc/consoles", "ttyS4                -W- (EC p a)    4:68\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("console: ttyS4 of 0000:01:00.1 is a console of the kernel (console=ttyS4)"));
}

// case 50
TEST(BootDisplay, TheFirmwaresFramebufferInABarIsFound) {
    auto kernel = withCard();
    const std::string bridge = "00000000-00000000 : PCI Bus 0000:00\n"
                               "  00000000-00000000 : PCI Bus 0000:01\n";
    kernel.putFile("/proc/iomem", bridge + "    00000000-00000000 : 0000:01:00.0\n"
                                           "      00000000-00000000 : BOOTFB\n"
                                           "    00000000-00000000 : 0000:01:00.1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre(HasSubstr("boot-display: the firmware's framebuffer (BOOTFB) lies in "
                                      "the memory of 0000:01:00.0")));
    kernel.putFile("/proc/iomem", bridge + "    00000000-00000000 : 0000:01:00.0\n"
                                           "    00000000-00000000 : 0000:02:00.0\n"
                                           "      00000000-00000000 : BOOTFB\n");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "another card's";
    kernel.putFile("/proc/iomem", bridge + "    00000000-00000000 : 0000:01:00.0\n"
                                           "      00000000-00000000 : nouveau\n");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "its own driver";
}

TEST(Sound, WhoHasItOpenIsNamed) {
    auto kernel = withCard();
    open(kernel, 813, "wireplumber", "116:8");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("sound-in-use: wireplumber (pid 813) has /dev/snd/controlC1 open, which "
                            "is of 0000:01:00.1; end it first"));
}

TEST(Sound, AStreamThatRunsIsSeenWithoutItsProcess) {
    auto kernel = withCard();
    kernel.putFile("/proc/asound/card1/pcm3p/sub0/status", "state: RUNNING\nowner_pid   : 900\n");
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre("sound-in-use: a stream runs on /dev/snd/pcmC1D3p of 0000:01:00.1; stop it first"));
}

TEST(Display, AKernelWithoutConsolesHasNoneToLose) {
    auto kernel = withCard();
    kernel.putFile("/proc/iomem", "");
    kernel.putFile("/proc/consoles", "");
    kernel.putLink("/sys/class/tty/ttyS0", "../../devices/platform/serial8250/tty/ttyS0");
    EXPECT_THAT(sentences(kernel), IsEmpty());
}

TEST(Display, WhatCannotBeReadIsNotTakenForFree) {
    auto kernel = withCard();
    putConsole(kernel, "fb0");
    open(kernel, 433, "agetty", "1:3");
    kernel.putFile("/proc/iomem", "");
    for (const auto* path : {"/sys/dev/char", "/sys/class/drm", "/sys/class/graphics", "/sys/class/vtconsole",
                             "/proc/433/fd", "/proc", "/proc/iomem", "/proc/consoles"}) {
        HostSysfs blind(kernel);
        blind.errors[path] = EACCES;
        const auto found = inspect(blind, Topology::read(blind).value(), 1, Action::bind).blockers;
        EXPECT_FALSE(found.empty()) << path;
        for (const auto& blocker : found)
            EXPECT_FALSE(blocker.seen) << blocker.str();
    }
}

} // namespace
} // namespace vfiobind::display_test
