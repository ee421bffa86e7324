/** In which region the services that give credentials are asked. */
import type { HttpServer } from "../../config/server.ts"
import type { Environment } from "../../core/places.ts"
import { type FrontDoor, type Partition, partitionOf } from "./endpoint.ts"
import type { SharedConfig } from "./shared-config.ts"
import type { Source } from "./source.ts"

interface Known {
  readonly source: Source
  readonly shared: SharedConfig
  readonly env: Environment
}

/**
 * Chooses the region: the entry's, the environment's, the profile's (the order of AWS's own tools), or the one that the server itself is
 * in; the first that lies in the partition of the role, or of the server. Identities of one partition are unknown in the others.
 */
export function regionFor({ aws }: HttpServer, door: FrontDoor, { source, shared, env }: Known): string {
  const partition = (aws?.assumeRole?.split(":")[1] as Partition | undefined) ?? door.partition // checked by the schema
  const ofProfile = source.kind === "profile" ? shared.profiles.get(source.profile)?.["region"] : undefined
  const wanted = [aws?.region, env["AWS_REGION"], env["AWS_DEFAULT_REGION"], ofProfile, door.region]
  return wanted.find((region) => region && partitionOf(region) === partition) || door.region
}
