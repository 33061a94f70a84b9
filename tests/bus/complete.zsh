#!/usr/bin/env zsh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# complete.zsh FOLDER LINE: prints what zsh offers at the tabulator after LINE, with the completions of FOLDER.
#
# The completion system works in an interactive shell only: one in a pseudo-terminal gets the line and the tabulator.
emulate -R zsh
zmodload zsh/zpty || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf $work' EXIT

cat >$work/.zshrc <<'END'
PROMPT='ready'
fpath=($COMPLETIONS $fpath)
autoload -Uz compinit
compinit -u -d $ZDOTDIR/dump
zmodload zsh/zutil
comppostfuncs=(exit)
# In place of showing the words that match, writes them to a file.
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a hits
    local -A suffix
    builtin compadd -O hits "$@"
    print -rl -- $hits >>$ZDOTDIR/offers
    builtin compadd "$@"
}
END
touch $work/offers
export ZDOTDIR=$work COMPLETIONS=$1
zpty shell exec zsh -d -i
zpty -r shell seen '*ready*' || exit 1
zpty -w -n shell "$2"$'\t'
while zpty -r shell seen; do :; done
sort -u $work/offers
