# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for vfio-bindctl(1)
# shellcheck shell=bash

_vfio_bindctl() {
    # Bash breaks words at colons, which stand in every PCI address: the line is split anew, at spaces only.
    local -a words bus=()
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    if [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]]; then
        words+=('')
    fi
    local last=$((${#words[@]} - 1)) command='' target='' host='' i
    local cur=${words[last]} prev=${words[last - 1]}

    for ((i = 1; i < last; i++)); do
        case ${words[i]} in
            --session) bus=(--session) ;;
            -H | --host) host=yes i=$((i + 1)) ;;
            --host=*) host=yes ;;
            --allow | --driver | --method | --what | --for | --from | --root | --machine) i=$((i + 1)) ;;
            --)
                # What comes after it is a command with its arguments.
                [[ $command == run ]] && return
                ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=${words[i]}; else target=${words[i]}; fi ;;
        esac
    done

    local globals='--json --session --host --help' candidates=''
    case $prev in
        --allow) candidates=$("${words[0]}" complete-codes 2>/dev/null) ;;
        --method) candidates='override new-id' ;;
        --from) candidates='libvirt proxmox sysconfig modprobe cmdline driverctl udev initramfs scripts opennebula' ;;
        --machine)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --root)
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            return
            ;;
        --what) return ;;
        --driver) candidates='auto vfio-pci pci-stub' ;;
        --for) candidates='qemu libvirt cloud-hypervisor docker podman kata crosvm opennebula cdi kubevirt nova proxmox incus' ;;
        -H | --host)
            mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
            return
            ;;
        *)
            case $command in
                '') candidates="status show bind release run hold check reload watch export doctor groups metrics import verify --all --version $globals" ;;
                status) candidates="--all $globals" ;;
                reload | watch) candidates=$globals ;;
                doctor | groups | metrics) candidates='--json --help' ;;
                verify) candidates='--root --machine --json --help' ;;
                import) candidates='--from --write --root --json --help' ;;
                show) candidates=$globals ;;
                export) candidates="--for --iommufd $globals" ;;
                bind) candidates="--allow --driver --method --persist --no-wait $globals" ;;
                # A lease's descriptor does not travel to another machine.
                run | hold) candidates='--what --allow --driver --method --json --session --help' ;;
                check) candidates="--allow --driver --method --persist $globals" ;;
                release) candidates="--allow --persist --no-wait $globals" ;;
            esac
            if [[ $cur != -* ]]; then
                [[ -n $command ]] && candidates=''
                if [[ $command == verify ]]; then
                    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                    return
                fi
                case $command in
                    show | bind | release | check | export | doctor)
                        # Over ssh the tabulator would hang for a password.
                        if [[ -z $target && -z $host ]]; then
                            candidates=$("${words[0]}" "${bus[@]}" complete-targets 2>/dev/null | cut -f1)
                        fi
                        ;;
                    run | hold)
                        [[ -n $host ]] ||
                            candidates=$("${words[0]}" "${bus[@]}" complete-targets 2>/dev/null | cut -f1)
                        ;;
                esac
            fi
            ;;
    esac

    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        local done_part=${cur%"${cur##*:}"}
        COMPREPLY=("${COMPREPLY[@]#"$done_part"}")
    fi
}

complete -F _vfio_bindctl vfio-bindctl
