export default {
  // They look for drivers at run time, which a bundle would hide from them.
  serverExternalPackages: ["@mikro-orm/core", "@mikro-orm/postgresql"],
  // In the tests the packages are links out of this folder.
  turbopack: { root: "/" },
};
