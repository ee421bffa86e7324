/** Puts together what deals with a locked door, for one server whose method a person can sign in with. */
import type { Authenticator } from "../../auth/method.ts"
import type { AuthTools } from "../../auth/tools.ts"
import { findBrowser } from "../../core/browser.ts"
import type { Log } from "../../core/log.ts"
import type { SignInMode } from "../ladder.ts"
import type { OnSent, Receive, ServerSide } from "../link.ts"
import { withLockedStart } from "../locked-start.ts"
import type { Memory } from "../memory.ts"
import type { Opening } from "../when-locked.ts"

/** How a person may be asked by a bridge. */
export interface SignInSettings {
  readonly mode: SignInMode
  /** Whether the prompt `auth` is offered. */
  readonly prompt: boolean
  /** By which the person signs in elsewhere, for a server whose entry does not tell. */
  readonly command?: string
}

/** One server, its method, and the bridge that they are in. */
export interface MountSettings extends SignInSettings {
  /** The server's name. */
  readonly name: string
  readonly command: string
  readonly authenticator: Authenticator
  readonly tools: AuthTools
  readonly memory: Memory | undefined
  readonly opening: Opening
  /** Takes what goes to the client unasked. */
  readonly tell: Receive
  /** Hears that a message waits for a person: the client has to be read on, since the person may answer there. */
  readonly onWait: OnSent
  readonly log: Log
  /** Aborts when the bridge ends. */
  readonly life: AbortSignal
}

/** @param server - without memory */
export function mountSignIn(server: ServerSide, { tools, ...settings }: MountSettings): ServerSide {
  return withLockedStart(server, { ...settings, browser: findBrowser(tools.env), clean: tools.redactor.clean, clock: tools.clock })
}
