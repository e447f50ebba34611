//! What an explanation is, as data: rules, composites and analyzers. The tensor side carries them out.
