"""Ready-made contracts of other people's frameworks over foretaste, each in a module that is imported when it is asked for.

| module | is | needs |
| --- | --- | --- |
| `langchain` | a `VectorStore` | langchain-core |
| `llama_index` | a `BasePydanticVectorStore` | llama-index-core |
| `haystack` | a `DocumentStore` and two retrievers | haystack-ai |
| `mteb` | an `IndexEncoderSearchProtocol` | nothing; mteb calls it |

Reads from: the framework's objects. Writes to: a collection of `foretaste`. Never: an import of a framework from here.
"""
