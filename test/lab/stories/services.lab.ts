import { servicesStory } from '../services-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('services', 'what the primary does for guests', servicesStory)
