export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** A candidate that stands for "a file of this machine": the shell completes those itself. */
export const FILE_CANDIDATE = ':file'

const BASH = `_pvc() {
  local cur line
  COMPREPLY=()
  cur="\${COMP_WORDS[COMP_CWORD]}"
  while IFS= read -r line; do
    if [[ "$line" == '${FILE_CANDIDATE}' ]]; then
      compopt -o filenames 2>/dev/null
      mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <(pvc __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _pvc pvc`

const ZSH = `_pvc() {
  local line
  local -a candidates
  while IFS= read -r line; do
    if [[ "$line" == '${FILE_CANDIDATE}' ]]; then
      _files
    else
      candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done < <(pvc __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#candidates} )) && _describe 'pvc' candidates
}
compdef _pvc pvc`

const FISH = `function __pvc_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (pvc __complete $words[2..-1] 2>/dev/null)
    if test "$line" = '${FILE_CANDIDATE}'
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c pvc -f -a '(__pvc_complete)'`

/** The script that makes a shell ask `pvc __complete WORD...` for candidates, one a line: text, tab, meaning. */
export function completionScript(shell: Shell): string {
  return { bash: BASH, zsh: ZSH, fish: FISH }[shell]
}
