/**
 * What each shell is given: a few lines that ask `postern completion SHELL --candidates` what may come next. All knowledge stays in
 * the program, so an installed script does not go stale with a new version.
 *
 * The words go over a pipe: a credential that is just being typed must not show in the process list. What comes back begins with the
 * line `files` or `words`; then one candidate a line, and what it is about behind a tab.
 */

/** The shells that completion is written for. */
export const SHELLS = ["bash", "zsh", "fish"] as const
/** A shell that words are completed in. */
export type Shell = (typeof SHELLS)[number]

const bash = `# bash completion for postern, made by: postern completion bash
_postern() {
  local kind= line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("$(printf %q "\${line%%$'\\t'*}")"); fi
  done < <(printf '%s\\n' "\${COMP_WORDS[@]:1:COMP_CWORD}" | "\${COMP_WORDS[0]/#\\~/$HOME}" completion bash --candidates 2>/dev/null)
  # bash 3 has no compopt.
  if [[ $kind == files ]]; then
    compopt -o default 2>/dev/null || while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
  fi
}
complete -F _postern postern
`

const zsh = `#compdef postern
# zsh completion for postern, made by: postern completion zsh
_postern() {
  local kind line
  local -a candidates
  while IFS= read -r line; do
    if [[ -z $kind ]]; then kind=$line; else candidates+=("\${line/$'\\t'/:}"); fi
  done < <(print -rl -- "\${(@)words[2,CURRENT]}" | "\${words[1]/#\\~/$HOME}" completion zsh --candidates 2>/dev/null)
  if [[ $kind == files ]]; then
    _files
  else
    _describe postern candidates
  fi
}
# Loaded by compinit, this file is the function; sourced, it has to say so.
if [[ $funcstack[1] == _postern ]]; then
  _postern "$@"
else
  compdef _postern postern
fi
`

const fish = `# fish completion for postern, made by: postern completion fish
function __postern_candidates
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l typed (commandline -ct)
    set -l lines (printf '%s\\n' $words[2..-1] "$typed" | $program completion fish --candidates 2>/dev/null)
    if test "$lines[1]" = files
        __fish_complete_path "$typed"
    else
        printf '%s\\n' $lines[2..-1]
    end
end
complete -c postern -f -a '(__postern_candidates)'
`

/** The script of each shell. */
export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish }
