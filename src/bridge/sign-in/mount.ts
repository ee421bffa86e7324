/** Puts together what deals with a locked door, for one server whose method a person can sign in with. */
import type { Authenticator } from "../../auth/method.ts"
import type { AuthTools } from "../../auth/tools.ts"
import { findBrowser } from "../../core/browser.ts"
import type { Log } from "../../core/log.ts"
import type { Frame } from "../frame.ts"
import type { SignInMode } from "../ladder.ts"
import type { OnSent, Receive, ServerSide } from "../link.ts"
import { withLockedStart } from "../locked-start.ts"
import { type MemoryStore, withMemory } from "../memory.ts"
import { whoIs } from "./change-notices.ts"
import { memoryOfPerson } from "./memory-of-person.ts"

/** How a person may be asked by a bridge. */
export interface SignInSettings {
  readonly mode: SignInMode
  /** Whether the prompt `auth` is offered. */
  readonly prompt: boolean
}

export interface MountSettings extends SignInSettings {
  /** The server's name. */
  readonly name: string
  readonly authenticator: Authenticator
  readonly tools: AuthTools
  readonly store: MemoryStore | undefined
  /** The client's `initialize`, where it came before. */
  readonly initialize: Frame | undefined
  /** Takes what goes to the client unasked. */
  readonly tell: Receive
  /** Hears that a message waits for a person: the client has to be read on, since the person may answer there. */
  readonly onWait: OnSent
  readonly log: Log
  /** Aborts when the bridge ends. */
  readonly life: AbortSignal
}

/** @param server - without memory */
export function mountSignIn(server: ServerSide, { tools, store, ...settings }: MountSettings): ServerSide {
  const { authenticator, tell, log } = settings
  const memory = store && withMemory(server, { store: memoryOfPerson(store, () => whoIs(authenticator)), tell, log })
  return withLockedStart(server, { ...settings, memory, browser: findBrowser(tools.env), clean: tools.redactor.clean, clock: tools.clock })
}
