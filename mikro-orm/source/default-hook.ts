/**
 * On MikroORM 6 the default of its option `onQuery` is public, so importing this
 * package is enough: an ORM made later, without an `onQuery` of its own, has the
 * hook. MikroORM 7 keeps its defaults to itself, and needs `BemiExtension`.
 */
import { Configuration } from "@mikro-orm/core";
import { defaultOnQuery, type OnQuery } from "./on-query";

/** An object of MikroORM 6; on 7 there is no such property. */
const defaults: { onQuery?: OnQuery } | undefined = Configuration.DEFAULTS;
if (defaults) defaults.onQuery = defaultOnQuery(defaults.onQuery);
